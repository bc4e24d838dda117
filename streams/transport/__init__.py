"""What carries the records: one seam (`base`), and the transports behind it."""
