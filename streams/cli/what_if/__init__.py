"""What-if on the command line."""
