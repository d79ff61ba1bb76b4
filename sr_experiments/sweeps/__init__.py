"""Sweeps: many runs in one folder, completed by the same command, and searches."""
