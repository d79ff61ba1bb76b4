"""Losses: each judges a restored image `sr` by its truth `gt` and returns one number."""
