"""Rules that a team declares, as an expert."""
