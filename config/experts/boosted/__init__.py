"""The settings of the boosted expert."""

from tocsin.config.experts.boosted.settings import BoostedSettings

__all__ = ["BoostedSettings"]
