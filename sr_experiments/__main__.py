"""``python -m sr_experiments``."""

from sr_experiments.cli import main

main()
