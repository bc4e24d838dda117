"""The healthcheck of the image, on a real broker and a real monitor."""

from __future__ import annotations

import importlib.util
import time
import uuid
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from confluent_kafka import Consumer

from tocsin.config import load
from tocsin.streams.monitor import Monitor
from tocsin.streams.transport import topics
from tocsin.streams.transport.embedded import free_port

from .compose import ROOT


@pytest.fixture(scope="module")
def healthcheck() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthcheck", ROOT / "deploy/healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestHealthcheck:
    @pytest.fixture
    def config(self, tmp_path: Path, apache: str) -> Path:
        mark = uuid.uuid4().hex[:8]
        names = {n: f"{n}-{mark}" for n in ("events", "labels", "decisions", "feedback", "alerts", "review")}
        names |= {"dead_letters": f"dead-{mark}", "telemetry": f"telemetry-{mark}"}
        path = tmp_path / "config.yaml"
        text = {
            "name": f"s{mark}", "schema": {"text": "text"}, "topics": names,
            "kafka": {"bootstrap": apache, "instance": "one"}, "monitor": {"port": free_port()},
        }  # fmt: skip
        path.write_text(yaml.safe_dump(text))
        topics.create(load(path))
        return path

    @pytest.mark.broker
    def test_a_worker_is_well_while_it_is_in_its_group(self, healthcheck: ModuleType, config: Path) -> None:
        settings = load(config)
        command = ["tocsin", "run", str(config)]
        assert settings.group in healthcheck.main(command)
        member = Consumer(
            {
                "bootstrap.servers": settings.kafka.bootstrap,
                "group.id": settings.group,
                "group.instance.id": "one",
            }
        )
        try:
            member.subscribe([settings.topics.events])
            deadline = time.monotonic() + 20
            # librdkafka may hang in closing a member that is still joining, so it joins to the end.
            while not member.assignment() and time.monotonic() < deadline:
                member.poll(0.1)
            assert healthcheck.main(command) is None
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("TOCSIN_KAFKA__INSTANCE", "two")
                assert "two is not in group" in healthcheck.main(command)
        finally:
            member.close()

    @pytest.mark.broker
    def test_a_monitor_is_well_while_its_page_says_so(self, healthcheck: ModuleType, config: Path) -> None:
        command = ["/opt/tocsin/bin/python", "/opt/tocsin/bin/tocsin", "monitor", str(config), "--no-view"]
        assert "refused" in healthcheck.main(command)
        with Monitor(load(config)):
            assert healthcheck.main(command) is None

    def test_other_commands_are_well_while_they_run(self, healthcheck: ModuleType) -> None:
        assert healthcheck.main(["tocsin", "topics", "create", "x"]) is None
        assert healthcheck.main([]) is None

    def test_a_config_that_is_gone_is_told(self, healthcheck: ModuleType) -> None:
        assert "nowhere.yaml" in healthcheck.main(["tocsin", "run", "nowhere.yaml"])
