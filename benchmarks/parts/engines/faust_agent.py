"""A Faust application with river: an agent for the events, and one for the labels.

    python -m parts.engines.faust_agent BOOTSTRAP GROUP EVENTS LABELS DECISIONS LEARNT

What waits for a label is kept in memory: Faust's Tables lose events at rebalances, and would be slower.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import faust

from parts.engines.job import Job


def main() -> None:
    bootstrap, group, events, labels, decisions, learnt = sys.argv[1:]
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        datadir=tempfile.mkdtemp(),
        key_serializer="raw",
        value_serializer="json",
        producer_compression_type="lz4",
        producer_linger=0.005,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    to_decisions, to_learnt = app.topic(decisions), app.topic(learnt)
    job = Job()

    @app.agent(app.topic(events))
    async def decide(stream: Any) -> None:
        async for key, event in stream.items():
            await to_decisions.send(key=key, value=job.decide(event))
            if (found := job.learn_early(event)) is not None:
                await to_learnt.send(value=found)

    @app.agent(app.topic(labels))
    async def learn(stream: Any) -> None:
        async for label in stream:
            if (found := job.learn(label)) is not None:
                await to_learnt.send(value=found)

    sys.argv[1:] = ["--loop", "uvloop", "worker", "--loglevel", "warn", "--without-web"]
    app.main()


if __name__ == "__main__":
    main()
