"""What frozen classifiers see: features of published networks, and the distances made of them."""
