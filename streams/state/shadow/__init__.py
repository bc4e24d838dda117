"""What a worker keeps of a shadow."""
