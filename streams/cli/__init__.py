"""The command line: `tocsin check|topics|run|replay|monitor|explain|schema|demo`."""

from tocsin.streams.cli.app import main

__all__ = ["main"]
