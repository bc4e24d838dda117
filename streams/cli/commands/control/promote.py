"""`tocsin promote`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors

if TYPE_CHECKING:
    from tocsin.config import Settings
    from tocsin.streams.monitor.shadow.choosing import DecideByChoice
    from tocsin.streams.transport.base import Transport

app = typer.Typer()

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Report = Annotated[Literal["text", "json"], typer.Option(help="How to print it.")]


@app.command(epilog="Example: `tocsin promote fraud.yaml`")
def promote(config: ConfigFile, yes: Yes = False, report: Report = "text") -> None:
    """Let the config of the shadow decide, in all workers from one feedback offset on.

    It must be shown not to be worse by more than `promotion.margin`. `tocsin rollback` goes back.
    """
    settings = load_settings(config)
    from tocsin.streams.monitor.shadow.choosing import promotion, told_by_workers
    from tocsin.streams.transport.kafka import KafkaTransport
    from tocsin.streams.worker.worker import wall_clock

    log_to_stderr()
    with (
        reporting_errors(),
        closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as transport,
    ):
        told = told_by_workers(transport, settings, wall_clock())
        with _printing_refusals(report):
            choice = promotion(settings, told, wall_clock())
        carry_out(transport, settings, choice, yes, report)


def take_back_promotion(settings: Settings, yes: bool, report: str) -> None:
    """Let the config decide again that decided before the last promotion, in all workers from one offset on."""
    from tocsin.streams.monitor.shadow.choosing import last_choice, told_by_workers, way_back
    from tocsin.streams.transport.kafka import KafkaTransport
    from tocsin.streams.worker.worker import wall_clock

    log_to_stderr()
    with (
        reporting_errors(),
        closing(KafkaTransport(settings.kafka, group=settings.group, client_id=settings.name)) as transport,
    ):
        told = told_by_workers(transport, settings, wall_clock())
        with _printing_refusals(report):
            choice = way_back(settings, told, wall_clock(), last_choice(transport, settings))
        carry_out(transport, settings, choice, yes, report)


@contextmanager
def _printing_refusals(report: str) -> Iterator[None]:
    """Print the figures of a refusal as well, where the report is JSON."""
    from tocsin.streams.monitor.shadow.choosing import ChoiceRefusedError
    from tocsin.streams.monitor.shadow.figures import in_json

    try:
        yield
    except ChoiceRefusedError as error:
        if report == "json":
            print_result(json.dumps({"offset": None, "why": str(error), **in_json(error.found)}))
        raise


def carry_out(transport: Transport, settings: Settings, choice: DecideByChoice, yes: bool, report: str) -> None:
    """Ask, write the record, and say from where on who decides. Raises TransportError."""
    from tocsin.streams.monitor.shadow.choosing import choose
    from tocsin.streams.monitor.shadow.figures import in_json

    control = choice.control
    print_message(choice.verdict.why)
    if not yes:
        typer.confirm(f"Let config {control.config} decide in place of {control.before}?", abort=True, err=True)
    offset = choose(transport, settings, control)
    if report == "json":
        figures = {"offset": offset, "config": control.config, "before": control.before}
        print_result(json.dumps({**figures, **in_json(choice.found)}))
        return
    print_result(
        f"decisions of a feedback offset above {offset:,} are made by config {control.config}, in place of "
        f"{control.before}"
    )
