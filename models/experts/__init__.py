"""The experts: one file a kind, and the registry that finds them."""
