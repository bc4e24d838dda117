"""What `tocsin check` says of finding classes never seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tocsin.config import Settings


def novelty_warnings(settings: Settings) -> list[str]:
    """One line where traffic is to be compared and never is, and one on what comparing it needs."""
    abstention = settings.abstention
    if not abstention.enabled or abstention.novelty_by != "traffic":
        return []
    import numpy as np  # here, because they take seconds to load and most configs do without them

    from tocsin.models.decision.traffic.counterpart import width

    numbers = width(np.array([feature.kind == "category" for feature in settings.model.features], np.bool_))
    place = "abstention.novelty_by: traffic"
    if not numbers:
        return [f"{place}: nothing is compared, because no features are declared: texts are not compared"]
    if numbers > abstention.novelty_columns:
        return [
            f"{place}: nothing is compared, because an event is {numbers} numbers wide (a category counts as four): "
            f"raise abstention.novelty_columns, which is {abstention.novelty_columns}"
        ]
    return [
        f"{place}: it needs labels for at least {abstention.novelty_labelled:.0%} of all events, and for every class "
        "alike: a class that is labelled less often than others looks like a new one. Nothing is promised of a new "
        "class with less than 1% of the events"
    ]
