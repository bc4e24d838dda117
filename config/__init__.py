"""One tree of settings, from one YAML file and the environment. Knows nobody."""

from tocsin.config.load import ConfigError, load, place
from tocsin.config.settings import Settings

__all__ = ["ConfigError", "Settings", "load", "place"]
