"""The settings of the experts, one file a kind."""

from tocsin.config.experts.base import AnyExpert, ExpertSettings, kinds
from tocsin.config.experts.pool import DEFAULT_EXPERTS, pool_mistake

__all__ = ["DEFAULT_EXPERTS", "AnyExpert", "ExpertSettings", "kinds", "pool_mistake"]
