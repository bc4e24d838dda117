"""Packed: what is kept of an event until its label comes, and its feedback, as small blobs of arrays."""
