"""From feedback to a model that has learnt it."""
