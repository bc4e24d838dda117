"""What carries the records: the interface (`base`), and the transports that implement it."""
