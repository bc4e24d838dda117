"""What the events of a key have been of late, in windows."""
