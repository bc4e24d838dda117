"""The expert on rare classes."""

from tocsin.config.experts.rare_class.settings import RareClassSettings

__all__ = ["RareClassSettings"]
