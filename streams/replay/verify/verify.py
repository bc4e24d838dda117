"""Verify: the decisions of the past are made again from the logs, by the models and configs that made them.

Nothing is taken from the state of a worker but, where there is one, a snapshot of the model, which is a shortcut for
the fold over the feedback. Nothing is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from tocsin.config.loading.errors import ConfigError
from tocsin.config.settings import Settings
from tocsin.streams.replay.past.decisions import DecisionHead, PastDecision, PastDecisions, past_decisions
from tocsin.streams.replay.past.feedback import FeedbackLog
from tocsin.streams.replay.past.opening import opens_by
from tocsin.streams.replay.past.span import Span
from tocsin.streams.replay.verify.chain_check import check_chain, check_heads, written_heads
from tocsin.streams.replay.verify.model_fold import ModelFold
from tocsin.streams.replay.verify.redecide import Redecide
from tocsin.streams.replay.verify.report import VerifyReport
from tocsin.streams.replay.verify.snapshots import ModelSnapshots
from tocsin.streams.replay.verify.subjects_before import SubjectsBefore
from tocsin.streams.transport.base import Transport
from tocsin.streams.wire.proof.kept_configs import kept_configs, settings_of
from tocsin.streams.wire.sealing.logged_keys import seals_of
from tocsin.streams.wire.sealing.sealed import Seals

ALL = Span()


class Verify:
    """One verification of what a service decided."""

    def __init__(
        self,
        settings: Settings,
        reader: Transport,
        span: Span = ALL,
        event: str | None = None,
        seals: Seals | None = None,
    ) -> None:
        """`settings` are those of today: they name the topics, the state and the store of snapshots.

        Decisions of a span are made again, or those on one event of it; the chain is checked from end to end. `seals`
        open what is sealed; without them the keys are read from their topic, where `erasure.enabled` is set. Raises
        TransportError, ErasureError.
        """
        self._settings, self._reader, self._span, self._event = settings, reader, span, event
        self._seals = seals_of(settings, reader) if seals is None else seals
        self._opens = opens_by(self._seals)
        self._configs: dict[str, Settings | None] = {settings.digest(): settings}
        self._kept: dict[str, bytes] = {}
        self.past = PastDecisions([], [], {})
        """The decisions of the log, once it was read."""

    def run(self, heads: bytes | None = None, progress: Callable[[], None] = lambda: None) -> VerifyReport:
        """Check everything; `heads` are those of an earlier `heads`. Raises TransportError, HeadsError."""
        topics = self._settings.topics
        self._kept = kept_configs(self._reader, topics.configs)
        self.past = past = past_decisions(self._reader, topics.decisions, self._asks_for)
        report = VerifyReport(chain=check_chain(past))
        if heads is not None:
            report.heads = check_heads(past, heads)
        by_model: dict[tuple[str, str], list[PastDecision]] = {}
        for one in past.decisions:
            if not self._asks_for(one.head):
                continue
            if one.link is None:
                report.not_checkable["before-the-chain"] += 1
            else:
                model = one.head.model
                by_model.setdefault((model.settings, model.config), []).append(one)
        if by_model:
            self._decide_again(by_model, report, progress)
        return report

    def _asks_for(self, head: DecisionHead) -> bool:
        return self._span.holds(head) and self._event in (None, head.event)

    def heads(self) -> bytes:
        """The heads of the chains, to be kept elsewhere: JSON."""
        return written_heads(self.past)

    def _decide_again(
        self,
        by_model: dict[tuple[str, str], list[PastDecision]],
        report: VerifyReport,
        progress: Callable[[], None],
    ) -> None:
        own, reader = self._settings, self._reader
        log = FeedbackLog(reader, own.topics.feedback)
        before = SubjectsBefore(self.past.decisions, reader, own.topics.decisions, self._opens)
        with tempfile.TemporaryDirectory(prefix="tocsin-verify-") as room:
            for (config, model), decisions in by_model.items():
                settings = self._settings_of(config)
                if settings is None:
                    report.not_checkable["config-unknown"] += len(decisions)
                    continue
                snapshots = ModelSnapshots(own, settings, model, reader, Path(room))
                fold = ModelFold(settings, config, log, snapshots, self._seals)
                Redecide(fold, reader, own.topics.events, before, report, self._opens)(decisions, progress)

    def _settings_of(self, config: str) -> Settings | None:
        """The settings of a config digest; None where they are not kept, or this release cannot use them."""
        if config not in self._configs:
            packed, found = self._kept.get(config), None
            if packed is not None:
                try:
                    found = settings_of(packed)
                except ConfigError:
                    found = None
            self._configs[config] = found
        return self._configs[config]
