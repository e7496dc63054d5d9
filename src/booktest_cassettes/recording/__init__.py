"""What one test recorded, as data: values and calls. Pure, no I/O."""
