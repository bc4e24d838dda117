"""Dates and times: how they are read, and the columns that one becomes."""
