"""docker-compose.yml, held to the code: nothing here needs a container engine."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from typing import Any

import jsonschema
import pytest
import typer

import tocsin
from tocsin.config import load

from .compose import COMPOSE, CONFIG, ROOT, interpolated, mounts, own, seconds


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
        assert {service["image"] for service in own(services).values()} == {f"tocsin:{tocsin.__version__}"}

    def test_one_service_builds_the_image_and_the_others_wait_for_it(self, services: dict[str, Any]) -> None:
        builds = {name: service.get("build") for name, service in own(services).items()}
        assert {name for name, build in builds.items() if build} == {"topics"}
        for name, service in own(services).items():
            assert service["pull_policy"] == ("build" if name == "topics" else "never")
            if name != "topics":
                assert service["depends_on"]["topics"]["condition"] == "service_completed_successfully"

    def test_a_stop_leaves_the_worker_time_to_deliver_and_to_write_its_snapshot(self, services: dict[str, Any]) -> None:
        config = load(ROOT / "config/presets/electricity.yaml")
        assert seconds(services["tocsin"]["stop_grace_period"]) >= config.kafka.delivery_timeout_ms / 1000 + 15

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
    command: Any = typer.main.get_command(app)
    context = command.make_context("tocsin", list(arguments))
    names = []
    while hasattr(command, "resolve_command"):
        # Not `context.args`: of a group it holds only what follows the command's own name.
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        names.append(name)
        context = command.make_context(name, list(rest), parent=context)
    return names
