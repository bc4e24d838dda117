"""Alerts for subjects that write over time."""
