"""The files that deploy Tocsin, held to the code: nothing here needs a container engine."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import typer
import yaml
from confluent_kafka import Consumer

from tocsin.config import load
from tocsin.streams.monitor import Monitor
from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.transport import topics
from tocsin.streams.transport.embedded import free_port
from tocsin.streams.wire.records import Telemetry

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "deploy/grafana/dashboards/tocsin.json"
CONFIG = "/etc/tocsin/config.yaml"

# The part of the Compose Specification that is used here, and no more: a key that is misspelt is an error.
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}
DURATION = {"type": "string", "pattern": r"^\d+(ms|s|m)$"}


def closed(needed: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(needed), "additionalProperties": False
    }  # fmt: skip


SERVICE = closed(
    ("image", "restart", "deploy", "logging", "healthcheck"),
    image=TEXT,
    build=closed(("context",), context=TEXT),
    pull_policy={"enum": ["build"]},
    command={"type": "array", "items": TEXT, "minItems": 1},
    hostname=TEXT,
    restart={"type": "string", "pattern": r"^(unless-stopped|on-failure:\d+)$"},
    read_only={"type": "boolean"},
    tmpfs=TEXTS,
    cap_drop={"const": ["ALL"]},
    security_opt={"const": ["no-new-privileges:true"]},
    env_file={"type": "array", "items": closed(("path",), path=TEXT, required={"type": "boolean"})},
    environment={"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
    ports=TEXTS,
    volumes=TEXTS,
    depends_on={
        "type": "object",
        "additionalProperties": closed(
            ("condition",), condition={"enum": ["service_healthy", "service_completed_successfully"]}
        ),
    },
    healthcheck={
        "oneOf": [
            closed(
                ("test", "interval", "timeout", "retries"),
                test={"type": "array", "prefixItems": [{"const": "CMD"}], "items": TEXT, "minItems": 2},
                interval=DURATION, timeout=DURATION, start_period=DURATION, retries={"type": "integer"},
            ),
            closed(("disable",), disable={"const": True}),
        ]
    },
    stop_grace_period=DURATION,
    deploy=closed(
        ("resources",),
        resources=closed(
            ("limits",),
            limits=closed(("cpus", "memory"), cpus={"type": "string"}, memory={"pattern": r"^\d+[MG]$"}),
        ),
    ),
    logging=closed(("driver", "options"), driver=TEXT, options={"type": "object"}),
)  # fmt: skip
COMPOSE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["name", "services", "volumes"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "additionalProperties": SERVICE},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
    "patternProperties": {"^x-": {}},
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return with_image_healthcheck(compose["services"])


def with_image_healthcheck(services: dict[str, Any]) -> dict[str, Any]:
    """A service of our own image has the healthcheck of its Dockerfile."""
    inherited = {"test": ["CMD", "image"], "interval": "1s", "timeout": "1s", "retries": 1}
    return {n: ({"healthcheck": inherited} if "build" in s else {}) | s for n, s in services.items()}


def interpolated(text: str) -> str:
    """What a string means while no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def own(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if "build" in service}


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for volume in service.get("volumes", ()):
        source, target, *mode = interpolated(volume).split(":")
        yield source, target, "".join(mode)


class TestCompose:
    def test_it_keeps_to_the_specification(self, compose: dict[str, Any], services: dict[str, Any]) -> None:
        jsonschema.Draft202012Validator(COMPOSE).validate(compose | {"services": services})

    def test_docker_compose_reads_it(self) -> None:
        for command in (["docker", "compose"], ["docker-compose"]):
            if shutil.which(command[0]) and not subprocess.run([*command, "version"], capture_output=True).returncode:
                asked = [*command, "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
                done = subprocess.run(asked, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                return
        pytest.skip("no docker compose here")

    def test_every_variable_has_a_default(self) -> None:
        text = (ROOT / "docker-compose.yml").read_text()
        variables = re.findall(r"(?<!\$)\$(?!\$)(\{[^}]*\}|\w+)", text)
        assert variables
        assert [v for v in variables if not re.fullmatch(r"\{\w+:-[^}]+\}", v)] == []

    def test_every_port_is_published_on_loopback_only(self, services: dict[str, Any]) -> None:
        ports = [port for service in services.values() for port in service.get("ports", ())]
        assert len(ports) >= 4
        assert [p for p in ports if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", interpolated(p))] == []
        outside = [interpolated(p).split(":")[1] for p in ports]
        assert len(set(outside)) == len(outside)

    def test_every_image_is_pinned(self, services: dict[str, Any]) -> None:
        for service in services.values():
            assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"]), service["image"]
        assert services["kafka"]["image"].startswith("apache/kafka:4.")

    def test_what_is_mounted_exists_and_is_read_only(self, compose: dict[str, Any], services: dict[str, Any]) -> None:
        named = set()
        for service in services.values():
            for source, target, mode in mounts(service):
                assert target.startswith("/")
                if source.startswith("."):
                    assert (ROOT / source).exists(), source
                    assert mode == "ro", source
                else:
                    named.add(source)
        assert named == set(compose["volumes"])

    def test_no_two_services_share_a_state(self, services: dict[str, Any]) -> None:
        named = [m[0] for s in services.values() for m in mounts(s) if not m[0].startswith(".")]
        assert len(set(named)) == len(named)

    def test_dependencies_are_there_and_can_be_met(self, services: dict[str, Any]) -> None:
        for service in services.values():
            for name, dependency in service.get("depends_on", {}).items():
                ends = services[name]["restart"].startswith("on-failure")
                assert ends == (dependency["condition"] == "service_completed_successfully")
                assert ends or "disable" not in services[name]["healthcheck"]

    def test_commands_are_real_and_their_configs_too(self, services: dict[str, Any]) -> None:
        commands = {}
        for name, service in own(services).items():
            arguments = service["command"]
            group = parsed(arguments)
            files = {target: ROOT / source for source, target, _ in mounts(service)}
            assert CONFIG in arguments
            load(files[CONFIG])
            commands[name] = group
        assert commands == {"topics": ["topics", "create"], "tocsin": ["run"], "monitor": ["monitor"]}

    def test_environment_names_real_settings(self, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        for service in own(services).values():
            with monkeypatch.context() as patch:
                for name, value in service["environment"].items():
                    assert name.startswith("TOCSIN_")
                    patch.setenv(name, str(value))
                settings = load(ROOT / "config/presets/electricity.yaml")
                advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
                assert f"//{settings.kafka.bootstrap}" in advertised
                reached = settings.model_dump()
                for name, value in service["environment"].items():
                    found: Any = reached
                    for key in name.removeprefix("TOCSIN_").lower().split("__"):
                        found = found[key]
                    assert str(found) == str(value)

    def test_kafka_leaves_topics_to_us(self, services: dict[str, Any]) -> None:
        environment = services["kafka"]["environment"]
        assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
        assert environment["KAFKA_PROCESS_ROLES"] == "broker,controller"
        data = [target for _, target, _ in mounts(services["kafka"])]
        assert data == [environment["KAFKA_LOG_DIRS"]]

    def test_no_secret_stands_in_it(self, services: dict[str, Any]) -> None:
        for service in services.values():
            for name in service.get("environment", ()):
                assert not re.search("PASSWORD|SECRET|TOKEN|KEY", name), name
        assert "secrets.env" in (ROOT / "deploy/.gitignore").read_text().split()


def parsed(arguments: list[str]) -> list[str]:
    """The command that these arguments name; what the command line does not take is an error."""
    app = importlib.import_module("tocsin.streams.cli.app").app
    for module in ("inspect", "replay", "serve"):
        importlib.import_module(f"tocsin.streams.cli.{module}")
    command: Any = typer.main.get_command(app)
    context = command.make_context("tocsin", list(arguments))
    names = []
    while hasattr(command, "resolve_command"):
        # Not `context.args`: of a group it holds only what follows the command's own name.
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        names.append(name)
        context = command.make_context(name, list(rest), parent=context)
    return names


class TestDockerfile:
    text = (ROOT / "Dockerfile").read_text()

    def instructions(self) -> list[tuple[str, str]]:
        """Those of the last stage."""
        joined = re.sub(r"\\\n(\s*#.*\n)*", " ", self.text)
        lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
        split = [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]
        last = max(i for i, (name, _) in enumerate(split) if name == "FROM")
        return split[last:]

    def test_it_has_two_stages_of_one_pinned_base(self) -> None:
        bases = re.findall(r"^FROM (\S+)", self.text, re.MULTILINE)
        assert len(bases) == 2
        assert set(bases) == {"python:3.11-slim-bookworm"}

    def test_it_does_not_run_as_root(self) -> None:
        users = [value for name, value in self.instructions() if name == "USER"]
        assert users
        assert users[-1] not in ("root", "0")

    def test_it_has_a_healthcheck_and_an_entrypoint(self) -> None:
        found = dict(self.instructions())
        assert '"/opt/healthcheck.py"' in found["HEALTHCHECK"]
        assert json.loads(found["ENTRYPOINT"]) == ["tocsin"]

    def test_what_it_copies_exists_and_is_not_ignored(self) -> None:
        kept = {line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
        copied: set[str] = set()
        for line in re.findall(r"^COPY (?!--from)(.*)$", self.text, re.MULTILINE):
            copied |= {source.rstrip("/") for source in line.split()[:-1]}
        assert all((ROOT / source).exists() for source in copied)
        assert copied == kept

    def test_it_copies_every_package(self) -> None:
        import tomllib

        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        folders = {folder.split("/")[0] for folder in project["tool"]["setuptools"]["package-dir"].values()}
        assert {f"COPY {folder}/ {folder}/" for folder in folders} <= set(self.text.splitlines())


class TestDashboard:
    dashboard = json.loads(DASHBOARD.read_text())

    def expressions(self) -> list[str]:
        found = [target["expr"] for panel in self.dashboard["panels"] for target in panel["targets"]]
        found += [annotation["expr"] for annotation in self.dashboard["annotations"]["list"]]
        return found + [v["query"]["query"] for v in self.dashboard["templating"]["list"]]

    def test_every_metric_in_it_is_served_with_these_labels(self) -> None:
        served = served_samples()
        for expression in self.expressions():
            names = re.findall(r"\btocsin_\w+", expression)
            assert names, expression
            assert set(names) <= set(served), expression
            for name, selector in re.findall(r"\b(tocsin_\w+)\{([^}]*)\}", expression):
                assert set(re.findall(r"(\w+)=~?\"", selector)) <= served[name], expression
            for label in re.findall(r"by \((\w+)\)", expression):
                assert label in served[names[0]], expression

    def test_what_matters_is_in_it(self) -> None:
        everything = "\n".join(self.expressions())
        for metric in (
            "events_total", "coverage", "abstained_total", "decisions_total", "expert_accuracy", "expert_reliability",
            "expert_engaged", "batch_latency_seconds", "dead_letters_total", "labels_total", "conformal_threshold",
            "conformal_alpha", "pending_events", "waiting_labels", "feedback_offset", "telemetry_age_seconds",
            "repeated_decisions_total", "duplicates_total", "alerts_total",
        ):  # fmt: skip
            assert f"tocsin_{metric}" in everything

    def test_rates_are_taken_of_counters_only(self) -> None:
        for expression in self.expressions():
            for name in re.findall(r"(?:rate|increase)\((\w+)", expression):
                assert name.endswith("_total"), expression
            totals = re.findall(r"(?<!label_values\()\b(\w+_total)", expression)
            assert len(totals) == len(re.findall(r"(?:rate|increase)\(\w+_total", expression)), expression

    def test_its_datasource_is_the_provisioned_one(self) -> None:
        folder = ROOT / "deploy/grafana/provisioning"
        (datasource,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
        uids = set(re.findall(r'"type": "prometheus",\s+"uid": "(\w+)"', DASHBOARD.read_text()))
        assert uids == {datasource["uid"]}

    def test_panels_do_not_overlap(self) -> None:
        cells = [
            (x, y)
            for panel in self.dashboard["panels"]
            for grid in [panel["gridPos"]]
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < 24
        ids = [panel["id"] for panel in self.dashboard["panels"]]
        assert len(set(ids)) == len(ids)


def served_samples() -> dict[str, set[str]]:
    """The samples that the monitor serves, and their labels."""
    from tocsin.streams.monitor.metrics import FAMILIES

    served = {f.name + ("_total" if f.kind == "counter" else ""): set(f.labels) for f in FAMILIES}
    assert {family.name for family in Metrics().registry.collect()} == {f.name for f in FAMILIES}
    return served


def test_addresses_agree(services: dict[str, Any]) -> None:
    folder = ROOT / "deploy"
    (job,) = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    port = services["monitor"]["environment"]["TOCSIN_MONITOR__PORT"]
    assert job["static_configs"] == [{"targets": [f"monitor:{port}"]}]
    assert services["monitor"]["ports"][0].endswith(f":{port}")
    provisioning = folder / "grafana/provisioning"
    (datasource,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert datasource["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards/tocsin.yml").read_text())["providers"]
    targets = {target for _, target, _ in mounts(services["grafana"])}
    assert provider["options"]["path"] in targets


def test_the_metrics_are_those_that_telemetry_can_fill() -> None:
    """A total that a worker tells and nobody serves would be lost in silence."""
    from tocsin.streams.worker.counts import Counts

    served = served_samples()
    for name in Counts().totals():
        assert f"tocsin_{name}_total" in served
    assert {"reasons", "classes", "dead_letters", "labels"} <= set(Telemetry.model_fields)


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
