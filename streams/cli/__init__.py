"""The command line, `tocsin`: the commands, and what they print."""

from tocsin.streams.cli.app import main

__all__ = ["main"]
