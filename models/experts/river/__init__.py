"""Any river classifier as an expert, and its state as arrays."""
