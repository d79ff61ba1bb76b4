"""What one can type after task=."""
