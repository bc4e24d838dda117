"""One tree of settings, from one YAML file and the environment. It imports no other part of Tocsin."""

from tocsin.config.loading import ConfigError, load, place
from tocsin.config.settings import Settings

__all__ = ["ConfigError", "Settings", "load", "place"]
