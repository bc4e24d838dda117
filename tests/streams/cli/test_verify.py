"""`tocsin replay --verify`: its options, its report, and how it ends."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from tocsin.streams.cli.app import app
from tocsin.streams.cli.console import PrintableConsole
from tocsin.streams.cli.verify.tables import WHY, no_heads, no_success, tables
from tocsin.streams.replay.verify.report import ChainFound, ChainPlace, Difference, HeadsFound, VerifyReport

from .past_on_broker import decided, on_broker


def tocsin(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["replay", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"schema": {"text": "text"}}))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--verify", "events.csv"], "leave SOURCE out"),
        (["--verify", "--in-process"], "leave --in-process out"),
        (["--verify", "--label-delay", "0"], "leave --label-delay out"),
        (["--verify", "--rate", "5"], "leave --rate out"),
        (["events.csv", "--event", "e1"], "--event says what is verified"),
        (["events.csv", "--export-heads", "heads.json"], "--export-heads says what is verified"),
        (["events.csv", "--from", "3"], "--from and --until say which past decisions"),
        ([], "name a SOURCE of events, or give --verify"),
    ],
)
def test_options_that_make_no_sense_together_are_refused_with_the_way_out(
    config: Path, arguments: list[str], words: str
) -> None:
    result = tocsin(config, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not result.stdout


def test_a_bound_that_is_neither_an_offset_nor_a_time_is_told(config: Path) -> None:
    result = tocsin(config, "--verify", "--from", "yesterday")
    assert result.exit_code == 1
    assert "--from: give an offset of the feedback, or a time" in result.stderr


def test_heads_that_are_not_there_are_told_before_anything_is_read(config: Path, tmp_path: Path) -> None:
    result = tocsin(config, "--verify", "--heads", tmp_path / "none.json")
    assert result.exit_code == 1
    assert "--heads: there is no file" in result.stderr


def test_every_reason_and_every_broken_place_stands_in_the_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = PrintableConsole()
    report = VerifyReport(reproduced=7, to_the_byte=6, chain=ChainFound(links=9, begun=1))
    report.note(Difference("e1\x1b[31m", ["belief.a"], {"belief.a": (0.25, "x\x1b" * 99)}))
    report.chain.note(ChainPlace("changed", "decisions-0, offset 3", None, None, None))
    report.chain.note(ChainPlace("missing", "decisions-0, offset 5", "e5", 1, 17))
    report.heads = HeadsFound(found=1, expired=1, missing=[{"partition": 0}])
    report.not_checkable.update(dict.fromkeys(WHY, 2))
    for table in tables(report):
        out.print(table)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    for words in ("belief.a: 0.25, ", "changed", "the one before is missing", "partition 1, offset 17", "have expired"):
        assert words in shown
    for words in WHY.values():
        assert f"not checkable: {words}"[:40] in shown
    assert not report.good


def test_nothing_but_erasure_may_keep_decisions_from_being_checked() -> None:
    report = VerifyReport(reproduced=1)
    report.not_checkable["erased"] = 3
    assert report.good
    report.not_checkable["event-expired"] = 1
    assert not report.good


def test_decisions_none_of_which_could_be_made_again_are_no_success() -> None:
    report = VerifyReport()
    report.not_checkable.update({"erased": 3, "event-expired": 2})
    fault = no_success(report, "decisions")
    assert fault is not None
    assert "nothing was checked" in fault
    assert "3: a person was forgotten; 2: their event is in its topic no more" in fault
    report.not_checkable = Counter(erased=3)
    assert no_success(report, "decisions") is not None
    report.reproduced = 1
    assert no_success(report, "decisions") is None


@pytest.mark.parametrize(
    ("written", "words"),
    [('{"heads": []}', "it holds no head"), ("[]", "no heads can be read from it"), ("?", "no heads can be read")],
)
def test_a_file_of_heads_that_proves_nothing_is_told_with_its_option_and_name(
    config: Path, tmp_path: Path, written: str, words: str
) -> None:
    file = tmp_path / "heads.json"
    file.write_text(written)
    result = tocsin(config, "--verify", "--heads", file)
    assert result.exit_code == 1
    assert f"--heads {file}: {words}" in result.stderr


def test_heads_that_would_overwrite_others_or_have_no_directory_are_refused_before_any_work(
    config: Path, tmp_path: Path
) -> None:
    file = tmp_path / "heads.json"
    file.write_text("kept")
    result = tocsin(config, "--verify", "--export-heads", file)
    assert result.exit_code == 1
    assert f"there is {file} already" in result.stderr
    assert "name another file" in result.stderr
    assert file.read_text() == "kept"
    result = tocsin(config, "--verify", "--export-heads", tmp_path / "none" / "heads.json")
    assert result.exit_code == 1
    assert f"there is no directory {tmp_path / 'none'}" in result.stderr


def test_heads_of_a_chain_in_which_the_kept_ones_are_missing_are_not_exported() -> None:
    report = VerifyReport(chain=ChainFound(links=9, begun=1))
    assert no_heads(report) is None
    report.heads = HeadsFound(found=1)
    assert no_heads(report) is None
    report.heads.missing.append({"partition": 0})
    assert "1 of the heads of --heads" in (no_heads(report) or "")
    report.heads = HeadsFound(found=1, expired=1)
    assert "1 of the heads of --heads" in (no_heads(report) or "")
    assert no_heads(VerifyReport()) == "the chain has no head"
    assert no_heads(VerifyReport(chain=ChainFound(links=9, changed=1))) == "the chain is broken"


@pytest.mark.broker
def test_a_service_is_verified_from_its_topics_on_another_machine(tansu: str, tmp_path: Path) -> None:
    service = decided(tmp_path / "one")
    path = on_broker(service, tansu, tmp_path, {})
    result = tocsin(path, "--verify", "--report", "json", "--export-heads", tmp_path / "heads.json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["checked"], report["reproduced"], report["different"]) == (60, 60, 0)
    assert report["chain"] == {"links": 59, "begun": 1, "again": 0, "missing": 0, "changed": 0, "places": []}
    assert report["not_checkable"] == {}
    [head] = json.loads((tmp_path / "heads.json").read_text())["heads"]
    assert head["offset"] == 59
    result = tocsin(path, "--verify", "--heads", tmp_path / "heads.json", "--event", "e7")
    assert result.exit_code == 0, result.stderr
    assert "heads kept elsewhere that are found" in result.stdout
    assert not (tmp_path / "none").exists()
    result = tocsin(path, "--verify", "--event", "no-such-event")
    assert result.exit_code == 1
    assert "has no decision on the event 'no-such-event'" in result.stderr


@pytest.mark.broker
def test_a_span_in_which_nothing_was_decided_is_no_success(tansu: str, tmp_path: Path) -> None:
    path = on_broker(decided(tmp_path / "one"), tansu, tmp_path, {})
    result = tocsin(path, "--verify", "--from", "2001-01-01", "--until", "2001-01-02")
    assert result.exit_code == 1
    assert "nothing was checked" in result.stderr


@pytest.mark.broker
def test_a_changed_byte_ends_the_command_with_1_and_no_heads_are_written(tansu: str, tmp_path: Path) -> None:
    service = decided(tmp_path / "one")
    target = next(r.value or b"" for r in service.records(service.topics.decisions) if b'"e17"' in (r.value or b""))
    changed = target.replace(b'"conflict":0.', b'"conflict":1.')
    path = on_broker(service, tansu, tmp_path, {target: changed})
    result = tocsin(path, "--verify", "--report", "json", "--export-heads", tmp_path / "heads.json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    [difference] = report["differences"]
    assert (difference["event"], difference["what"]) == ("e17", ["conflict", "explanation.conflict"])
    recorded, remade = difference["values"]["conflict"]
    assert recorded == pytest.approx(remade + 1.0)
    assert [place["event"] for place in report["chain"]["places"]] == ["e17"]
    assert not (tmp_path / "heads.json").exists()
    assert "the chain is broken" in result.stderr
