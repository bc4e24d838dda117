"""Shedding: what a worker gives up while it is too far behind, and takes back when it has caught up."""

from __future__ import annotations

import logging

from tocsin.config.service import OverloadSettings
from tocsin.streams.wire.records import Shed

log = logging.getLogger(__name__)

LEVELS: tuple[Shed | None, ...] = (None, "explanations", "experts")
"""What is given up, one after the other; each includes what stands before it."""
CAUGHT_UP = 0.25
"""The share of `overload.behind_seconds` below which a worker has caught up."""
_MEMORY = 0.9
"""How much of what a record took is remembered at each batch."""
_SAID = {
    None: "all explanations are written and all experts asked again",
    "explanations": "events that are decided and raise no alert get no explanation",
    "experts": "only as many experts are asked as overload.share needs",
}


class Shedding:
    """Finds the level of one worker from its lag and from what its records took lately."""

    def __init__(self, settings: OverloadSettings) -> None:
        self._settings = settings
        self._most = LEVELS.index(None if settings.shed == "none" else settings.shed)
        self._place = 0
        """Of the level, in `LEVELS`."""
        self._seconds, self._records = 0.0, 0.0
        """What was worked off lately, faded."""
        self._since: int | None = None
        """Since when the next step, up or down, has been due, in milliseconds of the caller's clock."""
        self._due = 0
        """That step: 1 or -1, 0 for none."""
        self.behind = 0.0
        """How many seconds the worker needs to work off what waits for it, if nothing more comes."""

    @property
    def level(self) -> Shed | None:
        """What is given up now."""
        return LEVELS[self._place]

    def took(self, records: int, seconds: float) -> None:
        """Note how long so many records took, from poll to commit."""
        self._seconds = _MEMORY * self._seconds + seconds
        self._records = _MEMORY * self._records + records

    def see(self, lag: int, now: int) -> Shed | None:
        """The level from now on, where so many records wait at `now` milliseconds of a clock that only grows."""
        bound = self._settings.behind_seconds
        self.behind = lag * self._seconds / self._records if self._records else 0.0
        due = 1 if self.behind > bound else -1 if self.behind < CAUGHT_UP * bound else 0
        if not 0 <= self._place + due <= self._most:
            due = 0
        if due != self._due or due == 0:
            self._due, self._since = due, now
        elif self._since is not None and now - self._since >= 1000 * self._settings.patience_seconds:
            self._place += due
            self._since = now
            log.warning(
                "%d records wait, about %.0f s of work: from now on %s (overload.shed)",
                lag,
                self.behind,
                _SAID[self.level],
            )
        return self.level
