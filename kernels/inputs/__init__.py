"""What is done to the features of an event before any expert sees them."""
