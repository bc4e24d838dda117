"""Erasure in the service: sealing what a worker sends, and forgetting a subject."""
