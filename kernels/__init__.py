"""Fast: arrays in, arrays out. Knows no model and no Kafka."""
