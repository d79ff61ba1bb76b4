"""What a run does beside training: records, pictures, progress."""
