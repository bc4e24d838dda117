"""Why: from a model's own state to typed explanations."""

from __future__ import annotations

import typing

from tocsin.explain.explanation import Explanation

if typing.TYPE_CHECKING:
    from tocsin.explain.decision import Explainer

__all__ = ["Explainer", "Explanation"]


def __getattr__(name: str) -> object:
    """`Explainer`, imported when it is first asked for: whoever only reads explanations needs no models."""
    if name != "Explainer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tocsin.explain.decision import Explainer

    return Explainer
