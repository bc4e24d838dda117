"""Reading settings from a YAML file and the environment. Every mistake is told with its place and the nearest name."""

from tocsin.config.loading.errors import ConfigError
from tocsin.config.loading.file import load, place

__all__ = ["ConfigError", "load", "place"]
