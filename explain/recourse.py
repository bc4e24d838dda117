"""What would have been enough to decide instead of abstaining, or that nothing would."""

from __future__ import annotations

import msgspec
import numpy as np

from tocsin.config.abstention import AbstentionSettings
from tocsin.explain.explanation import Enough
from tocsin.explain.nearest_decision import NearestDecision, nearest_decision
from tocsin.explain.rounding import six_digits
from tocsin.models.data.batch import Floats
from tocsin.models.decision.abstention import COLD_START, NOVEL
from tocsin.models.decision.scores import Scores

_NAMED = 3
"""Classes whose probabilities are told in words; all of them stand in `Enough.probabilities`."""


def enough(scores: Scores, i: int, settings: AbstentionSettings, labels_known: int) -> Enough:
    """What would have been enough to decide event i, by what abstention controls.

    `labels_known` are the labels that the threshold rests on.
    """
    if scores.reasons[i] == COLD_START:
        return _cold(scores, settings, labels_known)
    if scores.reasons[i] == NOVEL and settings.abstain_novel:
        return _nothing("no probabilities, because abstention.abstain_novel abstains from every novel event")
    found = nearest_decision(scores, i, settings)
    if found is None:
        return _nothing(_why_nothing(settings))
    return _found(scores, scores.betp[i], found, settings)


def sentence(enough: Enough) -> str:
    """What would have been enough, in words: those of the explanation, or where it is brief, made from its figures."""
    if enough.words or enough.label is None:
        return enough.words
    now = {enough.label: enough.probability}
    if enough.rival is not None:
        now[enough.rival] = enough.rival_probability
    ways: dict[str, list[str]] = {"up": [], "down": [], "otherwise": []}
    for name, then in enough.probabilities.items():
        if name in now:
            way = "up" if then > now[name] else "down"
            ways[way].append(f"{name} {way} from {_percent(now[name])} to {_percent(then)}")
        else:
            ways["otherwise"].append(f"{name} at {_percent(then)}")
    told = [", ".join(parts[:_NAMED]) for parts in ways.values() if parts]
    return f"{enough.label} would be decided with {' and '.join(told)}"


def without_sentence(enough: Enough | None) -> Enough | None:
    """The same for a brief explanation: whoever reads it makes the sentence from the figures, where there are any."""
    return enough if enough is None or enough.change is None else msgspec.structs.replace(enough, words="")


def changes_nothing(scores: Scores, i: int, settings: AbstentionSettings) -> bool:
    """Whether no probabilities would have decided event i, so that the same is said of all that have its reason."""
    reason = scores.reasons[i]
    return reason == COLD_START or (reason == NOVEL and settings.abstain_novel)


def _found(scores: Scores, p: Floats, found: NearestDecision, settings: AbstentionSettings) -> Enough:
    change = found.betp - p
    fallen = [k for k in np.argsort(change, kind="stable").tolist() if change[k] < 0.0]
    risen = [k for k in np.argsort(-change, kind="stable").tolist() if change[k] > 0.0]
    rival = fallen[0] if fallen else None
    label = scores.classes[found.label]
    words = f"{label} would be decided with {_moves(scores, p, found.betp, risen, 'up')}"
    if fallen:
        words += f" and {_moves(scores, p, found.betp, fallen, 'down')}"
    if settings.controls == "cost":
        words += f", which makes it cost no more than the {settings.abstain_cost:g} of an abstention"
    return Enough(
        label=label,
        rival=None if rival is None else scores.classes[rival],
        probability=six_digits(float(p[found.label])),
        rival_probability=0.0 if rival is None else six_digits(float(p[rival])),
        needed=0.0 if rival is None else six_digits(float(found.betp[rival])),
        words=words,
        change=six_digits(found.change),
        probabilities={scores.classes[k]: six_digits(float(found.betp[k])) for k in [*risen, *fallen]},
    )


def _moves(scores: Scores, p: Floats, betp: Floats, which: list[int], way: str) -> str:
    """The classes that go one way, in words; those that move most, where there are many."""
    told = [f"{scores.classes[k]} {way} from {_percent(p[k])} to {_percent(betp[k])}" for k in which[:_NAMED]]
    if len(which) > _NAMED:
        told.append(f"{len(which) - _NAMED} more classes {way} by {_percent(abs((betp - p)[which[_NAMED:]].sum()))}")
    return ", ".join(told)


def _percent(probability: float) -> str:
    """All six digits of a figure, since fewer might not decide: 0.25 as 25%, 0.256812 as 25.6812%."""
    return f"{100.0 * float(probability):.4f}".rstrip("0").rstrip(".") + "%"


def _why_nothing(settings: AbstentionSettings) -> str:
    if settings.controls == "error":
        return "no probabilities, because of late too many answers were wrong, however sure"
    if settings.controls == "cost":
        return f"no probabilities, because every decision costs more than the {settings.abstain_cost:g} of an \
abstention, however sure"
    return "no probabilities, because what labels are known exclude no class yet, however improbable it is"


def _nothing(words: str) -> Enough:
    return Enough(label=None, rival=None, probability=0.0, rival_probability=0.0, needed=0.0, words=words)


def _cold(scores: Scores, settings: AbstentionSettings, known: int) -> Enough:
    """While too few labels are known. Not every label that was learnt counts; see `Abstention.learn`."""
    missing = max(settings.cold_start - known, 1) if settings.enabled else 1
    if not settings.enabled:
        words = "no class is known yet, and the first label names one"
    else:
        labels = "1 more label that counts" if missing == 1 else f"{missing} more labels that count"
        words = (
            f"{labels}; of the {scores.learnt} learnt so far {known} did. A label counts where the model had learnt "
            f"{settings.cold_start} labels when its event came, or as many as came between the event and its label, "
            f"so with late labels the first decision comes after about twice their delay"
        )
    return Enough(
        label=None,
        rival=None,
        probability=0.0,
        rival_probability=0.0,
        needed=float(missing),
        words=words,
    )
