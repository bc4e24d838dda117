"""Overload: what a worker does when it falls behind, and who notices that it stands still."""
