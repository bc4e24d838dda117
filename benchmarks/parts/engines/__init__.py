"""The same job as its users would write it with other libraries. Each program imports nothing of Tocsin."""
