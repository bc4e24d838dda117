"""`tocsin explain`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors

app = typer.Typer()


@app.command(epilog="Example: `tocsin explain config/presets/electricity.yaml row-17`")
def explain(
    config: ConfigFile,
    event_id: Annotated[str, typer.Argument(help="The event's id.", metavar="EVENT")],
    raw: Annotated[bool, typer.Option("--json", help="Print the decision record instead of words.")] = False,
) -> None:
    """Find the last decision of an event in the decisions topic, and explain it in words."""
    _refuse_old_order(config, event_id)
    settings = load_settings(config)
    from tocsin.streams.cli.last_decision import last_decision, opened
    from tocsin.streams.cli.render import render
    from tocsin.streams.transport.kafka import KafkaTransport
    from tocsin.streams.wire.sealing.json_records import is_sealed
    from tocsin.streams.wire.sealing.logged_keys import seals_of

    log_to_stderr()
    topic = settings.topics.decisions
    with (
        reporting_errors(),
        closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as transport,
    ):
        found = last_decision(transport, topic, event_id)
        if found is not None:
            found = opened(found, seals_of(settings, transport)) if is_sealed(found.record.value) else found
    if found is None:
        print_message(f"no decision of {event_id!r} in {topic}", failed=True)
        raise typer.Exit(1)
    value = found.record.value or b""
    print_result(indented(value) if raw else render(found.decision, closed=is_sealed(value)))


def _refuse_old_order(config: Path, event_id: str) -> None:
    """End the command where the event stands first, as earlier versions took it."""
    if config.suffix not in (".yaml", ".yml") and Path(event_id).suffix in (".yaml", ".yml"):
        print_message(f"the config comes first: tocsin explain {event_id} {config}", failed=True)
        raise typer.Exit(2)


def indented(value: bytes) -> str:
    """A decision's record as JSON on several lines, its numbers as they are written there."""
    import msgspec

    return msgspec.json.format(value, indent=2).decode(errors="surrogateescape")
