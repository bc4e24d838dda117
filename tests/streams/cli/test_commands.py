from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

import tocsin as package
from tocsin.config import load
from tocsin.models.classifier import Classifier
from tocsin.streams.cli.app import app
from tocsin.streams.cli.commands.replay import tell_cold_start
from tocsin.streams.transport.embedded import free_port
from tocsin.streams.wire.json_schema import documents

PRESETS = Path(str(resources.files("tocsin.config.presets")))
ELECTRICITY, SMS = PRESETS / "electricity.yaml", PRESETS / "sms.yaml"
MARKET = PRESETS / "data" / "electricity.csv.gz"


def tocsin(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200", **environment})


def script(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own: what really goes to which stream."""
    command = [sys.executable, "-m", "tocsin.streams.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment}
    )


def commands(group: Any, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        inner = (*prefix, name)
        found += commands(command, inner) if hasattr(command, "commands") else [inner]
    return found


COMMANDS = commands(typer.main.get_command(app))


def test_all_commands_of_the_contract_are_there() -> None:
    contract = {
        "init",
        "bootstrap",
        "check",
        "topics",
        "run",
        "replay",
        "monitor",
        "explain",
        "feedback",
        "forget",
        "model",
        "demo",
        "schema",
    }
    assert {c[0] for c in COMMANDS} >= contract


def test_forgetting_is_refused_where_nothing_is_sealed_and_where_the_secret_is_missing(tmp_path: Path) -> None:
    result = script("forget", SMS, "--subject", "anna", "--yes")
    assert result.returncode == 2
    assert "erasure.enabled is not set" in result.stderr
    assert "TOCSIN_ERASURE__SECRET" in result.stderr
    result = script("forget", SMS, "--subject", "anna", TOCSIN_ERASURE__ENABLED="true")
    assert result.returncode == 2
    assert "needs a secret" in result.stderr
    result = script("forget", SMS, TOCSIN_ERASURE__ENABLED="true", TOCSIN_ERASURE__SECRET="x" * 20)
    assert result.returncode == 2
    assert "nobody to forget" in result.stderr
    short = script("forget", SMS, "--subject", "anna", TOCSIN_ERASURE__SECRET="geheim")
    assert short.returncode == 2
    assert "geheim" not in short.stderr + short.stdout


def test_the_version_is_that_of_the_package() -> None:
    result = tocsin("--version")
    assert result.exit_code == 0
    assert result.stdout == f"tocsin {package.__version__}\n"


def test_help_loads_nothing_that_only_some_command_needs() -> None:
    code = "import sys; from tocsin.streams.cli import app; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in result.stdout.split()}
    heavy = {"numpy", "numba", "torch", "river", "pandas", "pyarrow", "pydantic", "confluent_kafka", "kafka", "lmdb"}
    assert not loaded & heavy
    assert "tocsin.config" not in result.stdout.split()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_shows_an_example_that_is_the_command(command: tuple[str, ...]) -> None:
    result = tocsin(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: tocsin {' '.join(command)}" in click.unstyle(result.stdout)


def test_a_message_is_one_line_however_long_the_path(tmp_path: Path) -> None:
    config = tmp_path / ("a folder with a name " * 8) / "config.yaml"
    config.parent.mkdir()
    config.write_text(SMS.read_text())
    result = tocsin("check", config)
    assert f"{config}: valid; the model's hash is" in result.stderr


@pytest.mark.parametrize("config", [ELECTRICITY, SMS], ids=["electricity", "sms"])
def test_check_prints_the_whole_tree_as_yaml_that_is_valid_itself(config: Path, tmp_path: Path) -> None:
    result = tocsin("check", config)
    assert result.exit_code == 0, result.stderr
    tree = yaml.safe_load(result.stdout)
    assert tree["kafka"]["bootstrap"] == "127.0.0.1:9092"
    assert "valid; the model's hash is" in result.stderr
    (tmp_path / "again.yaml").write_text(result.stdout)
    again = tocsin("check", tmp_path / "again.yaml")
    assert again.exit_code == 0, again.stderr
    assert again.stdout == result.stdout


def test_check_says_what_the_next_start_makes_of_the_state(tmp_path: Path) -> None:
    """It passed without a word on a config under which the state was of no use."""
    config, state = tmp_path / "c.yaml", {"TOCSIN_STATE__DIRECTORY": str(tmp_path / "state")}
    body = "name: s\nschema: {features: [{name: a}]}\nclasses: [x, y]\n"
    config.write_text(body)
    Classifier.from_config(load(config)).save(tmp_path / "state" / "s" / "snapshot")
    assert "of another model" not in tocsin("check", config, **state).stderr
    config.write_text(body + "explanation: {level: full}\n")
    assert "of another model" not in tocsin("check", config, **state).stderr
    config.write_text(body.replace("[x, y]", "[y, x]"))
    checked = tocsin("check", config, **state)
    assert checked.exit_code == 0
    assert "of another model" in checked.stderr
    assert "folds the feedback log anew" in checked.stderr


def test_check_shows_what_the_environment_says() -> None:
    environment = {"TOCSIN_KAFKA__BOOTSTRAP": "kafka.example:1234", "TOCSIN_STATE__DIRECTORY": "elsewhere/:fire:/x"}
    tree = yaml.safe_load(tocsin("check", ELECTRICITY, **environment).stdout)
    assert tree["kafka"]["bootstrap"] == "kafka.example:1234"
    assert tree["state"]["directory"] == "elsewhere/:fire:/x"


def test_check_never_prints_a_password() -> None:
    secret = {
        "TOCSIN_KAFKA__SECURITY__PROTOCOL": "sasl_ssl",
        "TOCSIN_KAFKA__SECURITY__USERNAME": "user",
        "TOCSIN_KAFKA__SECURITY__PASSWORD": "hunter2",
    }
    for extra in ({}, {"TOCSIN_KAFKA__SECURITY__MECHANISM": "none"}):
        result = tocsin("check", ELECTRICITY, **secret, **extra)
        assert result.exit_code == (2 if extra else 0)
        assert "hunter2" not in result.output


RULE = """classes: [x, y]
experts:
  - kind: rules
    name: house
    rules: [{{name: big, when: "{}", class: {}}}]"""


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        ("batchin: {}", 7, "did you mean 'batching'?"),
        ("batching: {max_events: 0}", 7, "batching.max_events"),
        ("classes: [one]", 7, "classes"),
        ("experts: [{kind: ss3, name: x}]", 7, "schema.text"),
        ("experts: [{kind: river, name: t, model: tree.NoSuchTree}]", None, "NoSuchTree"),
        ("experts: [{kind: river, name: t, parameters: {no_such: 1}}]", None, "no_such"),
        (RULE.format("aa > 1", "x"), 11, "experts.0.rules.0.when: the rule 'big': 'aa' is no feature"),
        (RULE.format("a = 1", "x"), 11, "write == to compare"),
        (RULE.format("a > 1", "z"), 11, "experts.0.rules.0.class: the rule 'big' speaks for 'z', which is not one of"),
        ("name: twice", 7, "stands here and on line 1"),
        ("a: [", None, "line"),
    ],
)
def test_a_mistake_in_a_config_ends_with_2_and_names_its_line(
    tmp_path: Path, change: str, line: int | None, words: str
) -> None:
    path = tmp_path / "mistake.yaml"
    path.write_text(f"name: test\nschema:\n  features:\n    - name: a\n# four\n# more\n{change}\n")
    result = tocsin("check", path)
    assert result.exit_code == 2
    assert not result.stdout
    assert words in result.stderr
    if line is not None and "schema.text" not in words:
        assert f"mistake.yaml:{line}:" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["check", "run", "monitor"])
def test_a_config_that_is_not_there_ends_with_2(command: str) -> None:
    result = tocsin(command, "no/such.yaml")
    assert result.exit_code == 2
    assert "no/such.yaml" in result.stderr


@pytest.mark.parametrize("name", documents())
def test_schema_prints_one_document(name: str) -> None:
    result = tocsin("schema", name)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == documents()[name]


def test_schema_prints_all_or_says_what_there_is() -> None:
    everything = json.loads(tocsin("schema").stdout)
    assert set(everything) == set(documents()) - {"asyncapi"}
    for schema in everything.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    result = tocsin("schema", "nonsense")
    assert result.exit_code == 2
    assert "choose one of" in result.stderr


def test_a_replay_prints_one_json_object_last_and_alone_on_standard_output() -> None:
    # Compiled here, kernels are only loaded by the process whose time is limited.
    Classifier.from_config(load(ELECTRICITY)).warm_up()
    result = script("replay", ELECTRICITY, MARKET, "--in-process", "--limit", 300, "--report", "json", "--rival")
    assert result.returncode == 0, result.stderr
    [line] = result.stdout.splitlines()
    report = json.loads(line)
    assert report["events"] == 300
    assert set(report) == {
        "events", "before_first_label", "accuracy", "kappa_m", "kappa_t", "f1_macro", "gmean", "coverage",
        "selective_accuracy", "baselines", "events_per_second", "dead_letters", "promise",
        "rare", "classes", "confusion", "cost", "over_time", "drifts", "intervals",
    }  # fmt: skip
    assert set(report["baselines"]) == {"no_change", "majority", "hoeffding_tree"}


def test_a_replays_figures_do_not_change_from_run_to_run() -> None:
    reports = []
    for _ in range(2):
        arguments = ("--in-process", "--limit", 300, "--report", "json", "--label-delay", 3)
        result = tocsin("replay", ELECTRICITY, MARKET, *arguments)
        assert result.exit_code == 0, result.output
        reports.append(json.loads(result.stdout.splitlines()[-1]) | {"events_per_second": 0})
    assert reports[0] == reports[1]


def test_a_replay_says_that_all_was_a_cold_start(capsys: pytest.CaptureFixture[str]) -> None:
    """Labels two days late in a file of three: nothing was decided, and nothing said why."""
    tell_cold_start(300, 500, 30)
    assert "300 of 500 events were a cold start" in capsys.readouterr().err.replace("\n", " ")
    tell_cold_start(200, 500, 30)
    assert not capsys.readouterr().err


def test_a_replay_prints_a_table_for_people() -> None:
    result = tocsin("replay", ELECTRICITY, MARKET, "--in-process", "--limit", 50)
    assert result.exit_code == 0
    assert "accuracy" in result.stdout
    assert "baselines: no change" in result.stdout


@pytest.mark.parametrize(
    ("source", "words"),
    [("no-such.csv", "no such file"), (str(ELECTRICITY), "cannot tell its format"), (None, "has no column 'period'")],
)
def test_a_source_that_cannot_be_read_ends_with_1(tmp_path: Path, source: str | None, words: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    result = tocsin("replay", ELECTRICITY, source or path, "--in-process")
    assert result.exit_code == 1
    assert words in result.stderr
    assert not result.stdout


@pytest.mark.parametrize("option", [("--limit", "0"), ("--label-delay", "-1"), ("--rate", "0"), ("--report", "xml")])
def test_an_option_out_of_bounds_is_refused(option: tuple[str, str]) -> None:
    result = tocsin("replay", ELECTRICITY, MARKET, "--in-process", *option)
    assert result.exit_code == 2
    assert option[0] in click.unstyle(result.stderr)


def test_explain_without_a_broker_says_so() -> None:
    broker = f"127.0.0.1:{free_port()}"
    result = script("explain", ELECTRICITY, "row-17", TOCSIN_KAFKA__BOOTSTRAP=broker)
    assert result.returncode == 1
    assert not result.stdout
    assert broker in result.stderr
    assert "Traceback" not in result.stderr
