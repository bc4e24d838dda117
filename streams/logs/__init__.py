"""What carries the records: one seam, `log`, and those who stand behind it."""
