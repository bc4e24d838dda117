"""A shadow and the config that decides, side by side, from what all workers tell."""
