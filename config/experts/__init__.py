"""The settings of the experts, one file a kind."""

from tocsin.config.experts.base import AnyExpert, ExpertSettings, kinds
from tocsin.config.experts.pool import DEFAULT_EXPERTS, default_experts, pool_mistake

__all__ = ["DEFAULT_EXPERTS", "AnyExpert", "ExpertSettings", "default_experts", "kinds", "pool_mistake"]
