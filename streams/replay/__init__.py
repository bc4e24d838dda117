"""Replay: past events through the service, in process or into a topic."""
