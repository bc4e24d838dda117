"""From a batch of events to decisions: scoring, early risk, the review budget."""
