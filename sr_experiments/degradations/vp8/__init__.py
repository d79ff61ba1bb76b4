"""A VP8 key frame, coded and decoded: the parts of the WebP degradation."""
