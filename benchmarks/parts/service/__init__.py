"""What the benchmark of the service consists of: events, a broker, and the processes that use it."""
