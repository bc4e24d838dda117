"""The worker: decide, join, learn, commit."""
