"""What a worker puts on the records that it sends, and the records that it sends of itself."""
