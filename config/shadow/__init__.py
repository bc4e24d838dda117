"""A second config beside the live one: when it may take its place, and how it is read."""
