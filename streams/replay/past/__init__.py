"""What the logs hold of the past: decisions in the order of their chains, their events, and the feedback."""
