"""What subjects and other keys of events did before, as columns of their next event."""
