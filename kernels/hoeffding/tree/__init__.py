"""What a Hoeffding tree does with an event: find its leaf, predict, learn."""
