"""A static page that compares runs, with tables and the statistics behind them."""
