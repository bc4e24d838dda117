"""Configs and data of the demonstrations."""
