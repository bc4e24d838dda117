"""Texts that are learnt: read by what was counted before them, and then counted."""
