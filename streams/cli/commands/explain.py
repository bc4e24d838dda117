"""`tocsin explain`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.streams.cli.config_argument import load_settings
from tocsin.streams.cli.console import log_to_stderr, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors

if TYPE_CHECKING:
    from tocsin.config import Settings

app = typer.Typer()


@app.command(epilog="Example: `tocsin explain row-17 config/presets/electricity.yaml`")
def explain(
    event_id: Annotated[str, typer.Argument(help="The event's id.")],
    config: Annotated[
        Path | None,
        typer.Argument(help="The config; without one, the environment says where the broker and the decisions are."),
    ] = None,
    raw: Annotated[bool, typer.Option("--json", help="Print the decision record instead of words.")] = False,
) -> None:
    """Find the last decision of an event in the decisions topic, and explain it in words."""
    settings = load_settings(config) if config is not None else _settings_of_the_environment()
    from tocsin.streams.cli.last_decision import last_decision
    from tocsin.streams.cli.render import render
    from tocsin.streams.transport.kafka import KafkaTransport

    log_to_stderr()
    topic = settings.topics.decisions
    with (
        reporting_errors(),
        closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as transport,
    ):
        found = last_decision(transport, topic, event_id)
    if found is None:
        print_message(f"no decision of {event_id!r} in {topic}", failed=True)
        raise typer.Exit(1)
    text = _indented(found.record.value or b"") if raw else render(found.decision)
    print_result(text)


def _indented(value: bytes) -> str:
    """A record as JSON on several lines."""
    return json.dumps(json.loads(value), indent=2, ensure_ascii=False)


def _settings_of_the_environment() -> Settings:
    """Settings without a config file: only the broker and the topics matter, and a schema must not be empty."""
    from tocsin.config import Settings
    from tocsin.config.schema import SchemaSettings

    return Settings(schema_=SchemaSettings(text="text"))
