"""From labels to feedback: which events a label speaks of, and what becomes of it."""
