"""Files, colour, resizing, padding, similarity: the ground floor, which knows nothing of ours."""
