"""Whatever a file, a variable or a number may be, reading a config ends, and what it gives can be computed with."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import annotated_types
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tocsin.config import ConfigError, Settings, load
from tocsin.config.loading.keys import _groups_of

TEXT = "schema: {text: body}\n"


def groups(group: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if group not in seen:
        seen.add(group)
        yield group
        for field in group.model_fields.values():
            for below in _groups_of(field.annotation):
                yield from groups(below, seen)


def numbers() -> Iterator[tuple[str, FieldInfo]]:
    for group in groups(Settings, set()):
        for name, field in group.model_fields.items():
            if re.fullmatch(r"(<class ')?(int|float)('>)?( \| None)?", str(field.annotation)):
                yield f"{group.__name__}.{name}", field


NUMBERS = dict(numbers())


def least_and_most(field: FieldInfo) -> tuple[float, float]:
    least, most = -math.inf, math.inf
    for bound in field.metadata:
        match bound:
            case annotated_types.Ge(ge=limit) | annotated_types.Gt(gt=limit):
                least = float(limit)
            case annotated_types.Le(le=limit) | annotated_types.Lt(lt=limit):
                most = float(limit)
    return least, most


def test_all_numbers_are_looked_at() -> None:
    assert len(NUMBERS) > 90
    assert {"BoundsSettings.pending_ttl_hours", "TreeSettings.max_depth", "MonitorSettings.port"} <= set(NUMBERS)


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_two_bounds_that_overflow_nothing(name: str) -> None:
    least, most = least_and_most(NUMBERS[name])
    assert least >= 0
    assert most <= 2**63
    assert math.isfinite(most * most)
    if "float" in str(NUMBERS[name].annotation) and least == 0:
        # A number that may come as near to 0 as one likes must be one that may be 0.
        assert any(isinstance(bound, annotated_types.Ge) for bound in NUMBERS[name].metadata), name


def told(path: Path | str) -> str:
    with pytest.raises(ConfigError) as mistake:
        load(path)
    return str(mistake.value)


def test_a_device_or_a_pipe_without_an_end_is_not_read(tmp_path: Path) -> None:
    assert told("/dev/zero").startswith("/dev/zero: is no ordinary file")
    os.mkfifo(tmp_path / "pipe")
    assert "is no ordinary file" in told(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    assert "is no ordinary file" in told(tmp_path / "link")


def test_a_path_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    assert "null byte" in told("a\0b")
    assert "name too long" in told("a" * 5_000).lower()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("monitor: {port: 1:30:00}", "2: monitor.port: input should be a valid integer"),
        ("monitor: {port: 0x10}", "2: monitor.port: input should be a valid integer"),
        ("bounds: {pending_ttl_hours: 1e300}", "2: bounds.pending_ttl_hours: input should be less than or equal to"),
        ("bounds: {pending_ttl_hours: 1e-300}", "2: bounds.pending_ttl_hours: input should be greater than"),
        ("bounds: {waiting_ttl_seconds: 1:30}", "2: bounds.waiting_ttl_seconds: input should be a valid number"),
        ("early_risk: {half_life_hours: 1e308}", "2: early_risk.half_life_hours: input should be less than"),
        ("router: {kind: multi-hot, hidden: [1000000000]}", "2: router.hidden.0: input should be less than"),
        ("seed: 2026-11-29", "2: seed: input should be a valid integer"),
        ('state: {directory: "a\\0b"}', "2: state.directory: holds a NUL character"),
        ('kafka: {security: {ca: "a\\0b"}}', "2: kafka.security.ca: holds a NUL character"),
        ('kafka: {group: "a\\0b"}', "2: kafka.group: holds a NUL character"),
        ('monitor: {host: "a\\0b"}', "2: monitor.host: holds a NUL character"),
        ("kafka: {bootstrap: 'h:99999'}", "2: kafka.bootstrap: a port lies between 1 and 65535"),
    ],
)
def test_what_yaml_or_a_number_hides_is_refused_where_it_stands(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(TEXT + content)
    assert message in told(path)


@pytest.mark.parametrize(
    "content",
    [
        'classes: ["\\ud83d", y]',
        'class_map: {"\\ud83d": y}',
        'abstention: {costs: {"\\ud83d": {y: 1}}}',
        'kafka: {security: {protocol: sasl_ssl, username: u, password: "\\ud83d"}}',
        'kafka: {group: "\\ud83d"}',
        'topics: {options: {events: {cleanup.policy: "\\ud83d"}}}',
        'state: {directory: "\\ud83d"}',
        'replay: {header: ["\\ud83d"]}',
    ],
)
def test_half_a_character_is_refused_before_a_worker_has_to_write_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"{TEXT}{content}\n")
    assert f"{path}:2: {content.partition(':')[0]}" in told(path)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1:30:00", "1:30:00"), ("010", "010"), ("2026-01-01", "2026-01-01"), ("0x1F", "0x1F"), ("1_000", "1000")],
)
def test_a_class_is_named_as_it_is_written(tmp_path: Path, written: str, meant: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(TEXT + f"classes: [{written}, other]\n")
    assert load(path).classes == (meant, "other")


# The environment


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TOCSIN_SEEED", "did you mean TOCSIN_SEED?"),
        ("TOCSIN_KAFKA_BOOTSTRAP", "did you mean TOCSIN_KAFKA__BOOTSTRAP?"),
        ("tocsin_sede", "did you mean TOCSIN_SEED?"), ("TOCSIN_CACHEDIR", "did you mean TOCSIN_CACHE_DIR?"),
        ("TOCSIN_MONITOR_PORT", "did you mean TOCSIN_MONITOR__PORT?"), ("TOCSIN_QQQQ", "TOCSIN_GROUP__KEY"),
        ("TOCSIN_SEED__X", "is no setting"), ("TOCSIN_", "is no setting"),
    ],
)  # fmt: skip
def test_a_misspelt_variable_is_told_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(TEXT)
    monkeypatch.setenv(variable, "1")
    assert told(path).startswith(f"the environment: {variable}: is no setting")
    assert meant in told(path)


def test_variables_that_are_known_or_made_by_kubernetes_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(TEXT)
    for name, value in {
        "TOCSIN_CACHE_DIR": "x", "TOCSIN_CONFIG": "x", "TOCSIN_KERNELS_BACKEND": "numba", "TOCSINTEST_KAFKA": "h:1",
        "TOCSIN_SERVICE_HOST": "10.0.0.1", "TOCSIN_SERVICE_PORT": "9464", "TOCSIN_SERVICE_PORT_METRICS": "9464",
        "TOCSIN_PORT": "tcp://10.0.0.1:9464", "TOCSIN_PORT_9464_TCP": "tcp://10.0.0.1:9464",
        "TOCSIN_MONITOR_PORT_9464_TCP_ADDR": "10.0.0.1", "TOCSIN_MONITOR_PORT": "tcp://10.0.0.1:9464",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert load(path) == Settings(schema={"text": "body"})
