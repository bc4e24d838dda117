"""The settings of the expert of declared rules."""

from tocsin.config.experts.rules.settings import RuleSettings, RulesSettings

__all__ = ["RuleSettings", "RulesSettings"]
