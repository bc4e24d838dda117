"""Why: from a model's own state to typed explanations."""

from tocsin.explain.decision import Explainer
from tocsin.explain.explanation import Explanation

__all__ = ["Explainer", "Explanation"]
