"""What a worker counts, and how it tells of it."""
