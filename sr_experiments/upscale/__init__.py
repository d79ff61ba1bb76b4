"""What ``task=upscale`` does with files: finds them, names results, remembers what is done, restores one."""
