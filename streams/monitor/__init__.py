"""The monitor: what the workers report of themselves, as Prometheus metrics, as a page, and in the terminal."""

from tocsin.streams.monitor.monitor import Monitor, run
from tocsin.streams.monitor.server import PageError

__all__ = ["Monitor", "PageError", "run"]
