"""How long the transports of one owner wait for their broker, and what they hold a topic to."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tocsin.streams.transport.base import BrokerAwayError, StoppedWaitingError

_log = logging.getLogger(__name__)

_STOP_SECONDS = 5.0
"""How long a broker that is away is still waited for after the owner was told to stop."""
_SAY_SECONDS = 30.0
_TRY_SECONDS = 0.5
_T = TypeVar("_T")


class Terms:
    """What the transports of one owner have in common; they may share one object."""

    def __init__(
        self,
        patience: float = 10.0,
        *,
        stop: Callable[[], bool] = lambda: False,
        kept: Sequence[str] = (),
        limits: Mapping[str, int] | None = None,
        say_seconds: float = _SAY_SECONDS,
    ) -> None:
        """Terms of one owner.

        - `patience`: the seconds that the broker may take to answer at the start; infinite for an owner that waits for
          its broker at all times, until `stop` returns True.
        - `kept`: topics that must not be deleted or made anew while they are read.
        - `limits`: by topic, the most bytes of a record, where the broker does not say it.
        - `say_seconds`: the time between two lines in the log while the broker is away.
        """
        self.patience = patience
        self.kept = kept
        self.limits = dict(limits or {})
        self.say_seconds = say_seconds
        self._stop = stop
        self._stopping_since: float | None = None
        self._said_at = -math.inf

    @property
    def endless(self) -> bool:
        """Whether the broker is waited for at all times."""
        return math.isinf(self.patience)

    def wait_on(self, doing: str, began: float, seconds: float) -> bool:
        """Whether to go on with what began at that instant (monotonic clock) and was to take so many seconds.

        An owner that waits endlessly goes on, which the log tells once in a while. Raises StoppedWaitingError where it
        was told to stop.
        """
        now = time.monotonic()
        if not self.endless:
            return now < began + seconds
        if self._stop():
            self._stopping_since = self._stopping_since or now
            if now >= max(began, self._stopping_since) + _STOP_SECONDS:
                raise StoppedWaitingError(f"{doing}: told to stop while the broker was away")
        if now >= began + min(seconds, self.say_seconds):
            self.say(f"{doing}: waiting for the broker")
        return True

    def until_there(self, call: Callable[[], _T]) -> _T:
        """Repeat a call while the broker is away, where the terms are endless. Raises what the call raises otherwise.

        Raises StoppedWaitingError as soon as the owner is told to stop.
        """
        while True:
            try:
                return call()
            except BrokerAwayError as error:
                if not self.endless:
                    raise
                if self._stop():
                    raise StoppedWaitingError(f"told to stop while the broker was away: {error}") from error
                self.say(f"{error}: trying again")
            time.sleep(_TRY_SECONDS)

    def say(self, line: str) -> None:
        """Log a line about a broker that is away, unless one was logged lately."""
        if time.monotonic() >= self._said_at + self.say_seconds:
            self._said_at = time.monotonic()
            _log.warning("%s", line)
