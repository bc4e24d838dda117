"""`tocsin explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.streams.cli.config_argument import load_settings
from tocsin.streams.cli.console import err, log_to_stderr, out
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
    from tocsin.streams.cli.render import render

    settings = load_settings(config) if config is not None else _settings_of_the_environment()
    log_to_stderr()
    with reporting_errors():
        decision = _last_decision(settings, event_id)
    if decision is None:
        err.print(f"no decision of {event_id!r} in {settings.topics.decisions}", style="red", highlight=False)
        raise typer.Exit(1)
    text = json.dumps(decision, indent=2, ensure_ascii=False) if raw else render(decision)
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _settings_of_the_environment() -> Settings:
    """Settings without a config file: only the broker and the topics matter, and a schema must not be empty."""
    from tocsin.config import Settings
    from tocsin.config.schema import SchemaSettings

    return Settings(schema_=SchemaSettings(text="text"))


def _last_decision(settings: Settings, event_id: str) -> dict[str, Any] | None:
    """The decision made last of an event, None where there is none. Raises TransportError."""
    import orjson

    from tocsin.streams.wire.decode import read_back
    from tocsin.streams.worker import service

    id_as_json = orjson.dumps(event_id)
    last: dict[str, Any] | None = None
    transport = service.reader(settings)
    try:
        for partition, end in transport.end_offsets(settings.topics.decisions).items():
            for record in transport.read(partition, 0, end):
                # Looking for the id's bytes first spares the decoding of nearly all records.
                decision = read_back(record) if id_as_json in (record.value or b"") else None
                if decision is not None and decision.get("event") == event_id:
                    last = decision if last is None else max(last, decision, key=lambda d: int(d["decided_at"]))
    finally:
        transport.close()
    return last
