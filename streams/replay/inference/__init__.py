"""Inference of a config: what a sample of past events says of how they are to be read and classified."""
