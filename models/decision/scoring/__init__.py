"""Who works out what the experts say of a batch and what it amounts to."""
