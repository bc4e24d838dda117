"""Gradient boosting on a window, as an expert."""
