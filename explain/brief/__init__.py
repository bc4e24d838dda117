"""Brief explanations of a whole batch, written as JSON from arrays. `Explainer.explain` says the same of one event."""

from tocsin.explain.brief.explanations import Explanations

__all__ = ["Explanations"]
