"""What spoils an image, sample by sample, and the rule for randomness."""
