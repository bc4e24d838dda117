"""Experts where a class is rare: one for it, and how others learn less of what is frequent."""
