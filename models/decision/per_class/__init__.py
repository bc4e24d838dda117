"""When each class has a threshold of its own."""
