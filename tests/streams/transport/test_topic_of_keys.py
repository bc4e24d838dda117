"""The topic of keys: what it is made with, and who needs it. No broker is asked."""

from __future__ import annotations

from confluent_kafka.admin._acl import AclOperation

from tocsin.config.erasure import ErasureSettings
from tocsin.config.settings import Settings
from tocsin.streams.transport import rights, topics


def test_a_deleted_key_is_compacted_away_in_bounded_time() -> None:
    settings = Settings(schema={"text": "t"})
    wanted = topics.wanted_topics(settings)[settings.topics.keys]
    assert wanted.partitions == 1
    assert wanted.options["cleanup.policy"] == "compact"
    assert int(wanted.options["segment.ms"]) <= 3_600_000
    assert int(wanted.options["max.compaction.lag.ms"]) <= 3_600_000


def test_only_a_service_that_seals_needs_a_right_on_its_keys() -> None:
    plain = Settings(schema={"text": "t"})
    sealed = plain.model_copy(update={"erasure": ErasureSettings(enabled=True)})
    assert "keys" not in rights.of_worker(plain).topics
    assert rights.of_worker(sealed).topics["keys"] == [AclOperation.READ, AclOperation.WRITE]
