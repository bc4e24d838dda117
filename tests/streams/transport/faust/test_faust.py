"""The behaviour suite on Apache Kafka through Faust, and what is Faust's own."""

from __future__ import annotations

import gc
import math
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tocsin.streams.transport.base import Partition, Record, Transport, Whole
from tocsin.streams.transport.faust.transport import FaustTransport
from tocsin.streams.transport.kafka import Terms

from ....acceptance.service import need_kcat
from ....brokers import ApacheKafka
from ..behaviour import TransportBehaviour
from ..stage import Owner, Stage, lags, numbers, values
from ..test_kafka import KafkaStage

# What is left of Faust's tasks once their loop is closed complains where it is collected, in whatever test that is.
pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    yield
    gc.collect()


NO_TRANSACTIONS = "a Faust agent writes in no transaction with the offsets of its group: --transport faust refuses them"
EAGER = "Faust gives all partitions up at every rebalance, and takes its share anew"
FAUST_CANNOT = {
    "test_a_rebalance_never_takes_away_what_stays": EAGER,
    "test_a_transaction_is_seen_by_nobody_before_it_is_committed": NO_TRANSACTIONS,
    "test_an_aborted_transaction_leaves_nothing_to_readers": NO_TRANSACTIONS,
    "test_outputs_offsets_and_notes_of_a_transaction_are_committed_together": NO_TRANSACTIONS,
    "test_transactions_follow_each_other_in_order": NO_TRANSACTIONS,
    "test_the_transaction_of_a_member_that_was_replaced_unawares_is_refused": NO_TRANSACTIONS,
    "test_a_transaction_with_nothing_in_it_is_none": NO_TRANSACTIONS,
    "test_a_transaction_for_a_missing_topic_is_an_error_that_names_it": NO_TRANSACTIONS,
}


class FaustStage(KafkaStage):
    def __init__(self, bootstrap: str, directory: Path) -> None:
        super().__init__(bootstrap)
        self.directory = directory

    def make(
        self,
        shared: Sequence[str],
        whole: Whole,
        group: str,
        rebalance: Owner | None,
        kept: Sequence[str] = (),
        writes: Sequence[str] | None = None,
    ) -> Transport:
        assert writes is None, "it has no transactions"
        return FaustTransport(
            self.settings,
            group=group,
            directory=self.directory / "not" / "there",
            shared=shared,
            whole=whole,
            rebalance=rebalance,
            terms=Terms(self.broker_patience, kept=kept),
        )


class TestFaustTransport(TransportBehaviour):
    """What it cannot promise is named in `FAUST_CANNOT`, and in docs/faust.md."""

    @pytest.fixture
    def stage(self, apache: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
        test = request.node.originalname
        if test in FAUST_CANNOT:
            pytest.skip(FAUST_CANNOT[test])
        stage = FaustStage(apache, tmp_path)
        yield stage
        stage.close()

    def test_no_exception_outlives_the_test_that_it_is_for(self) -> None:
        assert all(hasattr(TransportBehaviour, test) for test in FAUST_CANNOT)

    def test_no_port_is_opened_by_a_web_server_that_nobody_asked_for(self, stage: Stage) -> None:
        before = listening()
        transport = stage.open([stage.topic()], rebalance=(owner := Owner()))
        stage.settle([transport], owner, total=1)
        assert listening() == before

    def test_a_header_with_an_unreadable_name_does_not_stop_the_partition_for_ever(self, stage: Stage) -> None:
        assert isinstance(stage, KafkaStage)
        need_kcat()
        topic = stage.topic()
        stage.fill(topic, 2)
        odd = ["kcat", "-b", stage.bootstrap, "-P", "-t", topic, "-H", b"\xff\xfeodd=x"]
        subprocess.run(odd, input=b"odd", check=True, timeout=30)
        stage.fill(topic, 2, start=2)
        transport = stage.open([topic])
        assert values(stage.drain(transport, 5)) == [b"0", b"1", b"odd", b"2", b"3"]

    @pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
    def test_no_compression_makes_events_unreadable(self, stage: Stage, codec: str) -> None:
        assert isinstance(stage, KafkaStage)
        topic = stage.topic()
        producer = Producer({"bootstrap.servers": stage.bootstrap, "compression.type": codec, "linger.ms": 50})
        for value in numbers(0, 100):
            producer.produce(topic, value * 10)
        producer.flush(10)
        transport = stage.open([topic])
        assert values(stage.drain(transport, 100)) == [value * 10 for value in numbers(0, 100)]

    def test_the_markers_of_upstream_transactions_are_neither_gaps_nor_lag(self, stage: Stage) -> None:
        assert isinstance(stage, KafkaStage)
        topic = stage.topic()
        producer = Producer({"bootstrap.servers": stage.bootstrap, "transactional.id": f"id-{topic}"})
        producer.init_transactions(30)
        for n in range(6):
            producer.begin_transaction()
            producer.produce(topic, b"%d" % n)
            if n % 3 == 2:
                producer.abort_transaction(30)
            else:
                producer.commit_transaction(30)
        owner = Owner()
        transport = stage.open([topic], rebalance=owner)
        assert values(stage.drain(transport, 4)) == [b"0", b"1", b"3", b"4"]
        deadline = time.monotonic() + stage.patience
        while lags(transport) != {Partition(topic, 0): 0} and time.monotonic() < deadline:
            assert transport.poll(10, 0.2) == []
        assert lags(transport) == {Partition(topic, 0): 0}

    def test_a_record_is_never_lost_nor_out_of_order_when_members_come_and_go(self, stage: Stage) -> None:
        """Faust delivers some again after a rebalance. All that was polled is committed, so none may come twice."""
        topic, count = stage.topic(4), 6_000
        feeder, group, dice = stage.open(), f"g-{topic}", random.Random(3)
        seen: Counter[tuple[int, int]] = Counter()
        last: dict[tuple[int, int], int] = {}
        members: list[tuple[int, Transport]] = [(0, stage.open([topic], group=group, rebalance=Owner()))]
        ends: dict[Partition, int] = {}
        deadline = time.monotonic() + 90
        sent = turn = 0
        while (sent < count or len(seen) < count) and time.monotonic() < deadline:
            for _ in range(min(20, count - sent)):
                feeder.produce(topic, b"%d" % sent, b"x")
                sent += 1
            feeder.flush()
            turn += 1
            if turn in (60, 150, 210):
                members.append((turn, stage.open([topic], group=group, rebalance=Owner())))
            if turn in (120, 180):
                members.pop(0)[1].close()
            for name, member in members:
                records = member.poll(dice.randint(1, 50), 0.01)
                for r in records:
                    seen[r.partition, r.offset] += 1
                    assert r.offset > last.get((name, r.partition), -1)
                if records:
                    ends = {Partition(topic, r.partition): r.offset + 1 for r in records}
                    last |= {(name, r.partition): r.offset for r in records}
                    member.commit(ends)
        assert len(seen) == count
        assert set(seen.values()) == {1}

    def test_a_worker_that_is_busy_bounds_what_waits_for_it(self, stage: Stage) -> None:
        topic, count = stage.topic(), 25_000
        stage.fill(topic, count)
        transport = stage.open([topic], rebalance=(owner := Owner()))
        assert isinstance(transport, FaustTransport)
        records: list[Record] = []
        deadline = time.monotonic() + stage.patience
        while not owner.held and time.monotonic() < deadline:
            records += transport.poll(1, 0.1)
        assert transport._member is not None
        waiting = transport._member._inbox._records
        while len(waiting) < 10_000 and time.monotonic() < deadline + 60:
            time.sleep(0.1)
        time.sleep(1.0)  # Faust has more, and would hand it over
        assert len(waiting) == 10_000
        while len(records) < count and time.monotonic() < deadline + 120:
            records += transport.poll(1_000, 0.5)
        assert [r.offset for r in records] == list(range(count))


@pytest.mark.acceptance
def test_a_crash_of_the_broker_ends_no_member_and_loses_nothing(own_apache: ApacheKafka, tmp_path: Path) -> None:
    stage = FaustStage(own_apache.bootstrap, tmp_path)
    stage.patience, stage.broker_patience = 90.0, math.inf
    stage.settings = stage.settings.model_copy(update={"delivery_timeout_ms": 60_000})
    try:
        topic, owner = stage.topic(2), Owner()
        transport = stage.open([topic], rebalance=owner)
        for i in range(1_000):
            transport.produce(topic, b"%d" % i, b"%d" % i)
        transport.flush()
        seen = stage.drain(transport, 1_000, batch=100)
        own_apache.kill()
        assert transport.poll(10, 2.0) == []
        own_apache.restart()
        transport.commit({Partition(topic, i): 1 + max(r.offset for r in seen if r.partition == i) for i in (0, 1)})
        for i in range(1_000, 1_500):
            transport.produce(topic, b"%d" % i, b"%d" % i)
        transport.flush()
        seen += stage.drain(transport, 500)
        assert sorted(values(seen)) == sorted(numbers(0, 1_500))
    finally:
        stage.close()


def listening() -> set[str]:
    """The sockets of this process that accept connections."""
    own = set()
    for entry in Path("/proc/self/fd").iterdir():
        target = str(entry.readlink()) if entry.is_symlink() else ""
        if target.startswith("socket:["):
            own.add(target[8:-1])
    tables = [Path("/proc/net") / name for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in own}
