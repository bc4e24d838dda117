"""Alerts on events, and how budgets are written."""

from tocsin.config.alert.settings import AlertSettings

__all__ = ["AlertSettings"]
