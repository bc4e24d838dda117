"""The brokers that tests run against, started once a session and ended with it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import pytest

from tocsin.kernels.common.backends import cuda_there
from tocsin.streams.transport.embedded import EmbeddedBroker

from .brokers import ApacheKafka, NoBrokerError, running

with warnings.catch_warnings():
    # kafka-python 3.0 reads its schemas by a call that Python 3.11 (and no other) calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka.admin  # noqa: F401

pytest.register_assert_rewrite("tests.streams.transport.behaviour")

if not cuda_there():
    # Before anything imports Triton, which settles then whether it compiles or interprets.
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(scope="session")
def tansu() -> Iterator[str]:
    """The address of an embedded broker."""
    with EmbeddedBroker() as broker:
        yield broker.bootstrap


@pytest.fixture(scope="session")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an Apache Kafka; without one it skips, or fails where TOCSIN_REQUIRE_KAFKA=1."""
    if address := running():
        yield address
        return
    try:
        broker = ApacheKafka(tmp_path_factory.mktemp("kafka"))
        broker.start()
    except NoBrokerError as error:
        if os.environ.get("TOCSIN_REQUIRE_KAFKA") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    try:
        yield broker.bootstrap
    finally:
        broker.stop()


@pytest.fixture(scope="session", params=["tansu", "apache"])
def broker(request: pytest.FixtureRequest) -> str:
    """The address of each broker in turn."""
    return str(request.getfixturevalue(request.param))
