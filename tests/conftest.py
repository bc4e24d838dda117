"""What all tests share: the brokers of the run, how property tests draw, and what Triton and torch run on."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tocsin.kernels.common.backends import cuda_there

from .brokers import ApacheKafka, NoBrokerError
from .order import in_order
from .shared_brokers import Office, SharedBrokers, address

with warnings.catch_warnings():
    # kafka-python 3.0 reads its schemas by a call that Python 3.11 (and no other) calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka.admin  # noqa: F401

pytest.register_assert_rewrite(
    "tests.streams.transport.behaviour",
    "tests.streams.transport.topic_behaviour",
    "tests.streams.transport.transaction_behaviour",
    "tests.models.experts.fold_behaviour",
    "tests.models.device.forms.form_behaviour",
)

# Before anything imports torch. Its threads wait for each other by spinning: on cores that others use too, such as the
# other workers of this run, a small net takes 20 times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if not cuda_there():
    # Before anything imports Triton, which settles then whether it compiles or interprets.
    os.environ.setdefault("TRITON_INTERPRET", "1")

# Property tests draw the same examples in every run, so that a failure is one in every run. No example has a deadline,
# because the first one compiles and the cores may be busy. `make proof` searches on with examples of its own.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("searching", derandomize=False, deadline=None, print_blob=True)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """A command that a test runs in this process writes the log to a stream that is closed soon after."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


OFFICE = pytest.StashKey[Office]()


def pytest_configure(config: pytest.Config) -> None:
    """Open the office that hands out brokers, or note where the controller's is."""
    if (given := getattr(config, "workerinput", None)) is not None:
        config.stash[OFFICE] = Office(*given["office"])
        return
    brokers = SharedBrokers()
    config.add_cleanup(brokers.close)
    config.stash[OFFICE] = brokers.office


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the office is."""
    node.workerinput["office"] = tuple(node.config.stash[OFFICE])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into an order in which two processes compile different kernels."""
    items[:] = in_order(items)


@contextlib.contextmanager
def _skipping_without_kafka() -> Iterator[None]:
    try:
        yield
    except NoBrokerError as error:
        if os.environ.get("TOCSINTEST_REQUIRE_KAFKA") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def tansu(pytestconfig: pytest.Config) -> str:
    """The address of an embedded broker."""
    return address(pytestconfig.stash[OFFICE], "tansu")


@pytest.fixture(scope="session")
def bridged(pytestconfig: pytest.Config) -> str:
    """The address of an embedded broker that Debian's kcat understands."""
    return address(pytestconfig.stash[OFFICE], "bridged")


@pytest.fixture(scope="session")
def apache(pytestconfig: pytest.Config) -> str:
    """The address of an Apache Kafka; without one it skips, or fails where TOCSINTEST_REQUIRE_KAFKA=1."""
    with _skipping_without_kafka():
        return address(pytestconfig.stash[OFFICE], "apache")


@pytest.fixture(scope="session", params=["tansu", "apache"])
def broker(request: pytest.FixtureRequest) -> str:
    """The address of each broker in turn."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def own_apache(tmp_path: Path) -> Iterator[ApacheKafka]:
    """An Apache Kafka of the test's own, which it may kill and restart; skips and fails as `apache` does."""
    with _skipping_without_kafka():
        broker = ApacheKafka(tmp_path)
        broker.start()
    try:
        yield broker
    finally:
        broker.stop()
