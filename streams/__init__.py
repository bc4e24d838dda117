"""The service: records, logs, decide, join, learn, state, replay, monitor, command line."""
