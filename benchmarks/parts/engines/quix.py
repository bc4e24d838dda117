"""Quix Streams and river: two dataframes in one application.

python -m parts.engines.quix BOOTSTRAP GROUP EVENTS LABELS DECISIONS LEARNT
"""

from __future__ import annotations

import sys
from typing import Any

from quixstreams import Application

from parts.engines.job import Job


def main() -> None:
    bootstrap, group, events, labels, decisions, learnt = sys.argv[1:]
    application = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        producer_extra_config={"compression.type": "lz4", "linger.ms": 5},
        loglevel="WARNING",
    )
    job = Job()
    to_decisions, to_learnt = application.topic(decisions), application.topic(learnt)

    decided = application.dataframe(application.topic(events)).apply(decide(job), expand=True)
    decided.filter(lambda value: "probabilities" in value).to_topic(to_decisions)
    decided.filter(lambda value: "probabilities" not in value).to_topic(to_learnt)

    taught = application.dataframe(application.topic(labels)).apply(job.learn)
    taught.filter(lambda value: value is not None).to_topic(to_learnt)
    application.run()


def decide(job: Job) -> Any:
    """The decision on an event, and what was learnt where its label had come before."""

    def both(event: dict[str, Any]) -> list[dict[str, Any]]:
        decision = job.decide(event)
        found = job.learn_early(event)
        return [decision] if found is None else [decision, found]

    return both


if __name__ == "__main__":
    main()
