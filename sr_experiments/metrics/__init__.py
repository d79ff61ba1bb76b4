"""How good a restored image is: definitions that are locked in code, and their mean over images."""
