"""Videos: frames read one by one, restored and written, with everything else in the file kept (PyAV)."""
