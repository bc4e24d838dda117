"""Snapshots of the model: which one a start goes on from, and those that one worker keeps for all."""
