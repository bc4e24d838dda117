"""A model scored on a device: what its experts and its router have learnt, as tensors, and what they answer there."""
