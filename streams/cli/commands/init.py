"""`tocsin init`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.streams.cli.console import log_to_stderr, out, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors

if TYPE_CHECKING:
    from tocsin.config.kafka import KafkaSettings
    from tocsin.streams.replay.inference.infer import Inferred
    from tocsin.streams.transport.base import Transport

app = typer.Typer()


@app.command(epilog="Example: `tocsin init data.csv --label y > config.yaml`")
def init(
    source: Annotated[
        str, typer.Argument(help="CSV, TSV, JSONL or Parquet (.gz, .xz, .bz2), or `kafka:TOPIC`, its newest records.")
    ],
    label: Annotated[str | None, typer.Option(help="Column or dot path of the label.", metavar="COLUMN")] = None,
    rows: Annotated[
        int, typer.Option(min=10, max=1_000_000, help="Events to look at; classes are counted in all behind, too.")
    ] = 20_000,
    megabytes: Annotated[int, typer.Option(min=1, max=65_536, help="The most to read of a file, unpacked.")] = 256,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="Whether a CSV begins with the names of its columns.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="The topic of labels, where they come in one of their own.", metavar="TOPIC")
    ] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="The broker of a topic, host:port; its security is in the environment.")
    ] = None,
) -> None:
    """Write a config for past events to standard output, with comments on what was found and what was left out.

    Names and values tell which columns are id, subject, time, text and label. What is doubtful stands in the comments.
    """
    from tocsin.streams.replay.inference.document import written
    from tocsin.streams.replay.inference.infer import infer
    from tocsin.streams.replay.inference.label import UnclearError
    from tocsin.streams.replay.inference.reading.sources import ReadingBounds, open_rows
    from tocsin.streams.replay.inference.self_check import misfit, settings_of

    log_to_stderr()
    with reporting_errors():
        is_topic = source.startswith("kafka:")
        if labels is not None and not is_topic:
            raise UnclearError("--labels: names the topic of labels of a topic; a file has its label in a column")
        bounds = ReadingBounds(rows, megabytes << 20)
        kafka = _kafka(bootstrap)
        past = open_rows(source, bounds, header, lambda: _open_reader(kafka))
        told = None if labels is None else open_rows(f"kafka:{labels}", bounds, None, lambda: _open_reader(kafka))
        inferred = infer(past, label, rows, not is_topic, told)
        text = written(inferred, source, bootstrap, out.encoding)
        settings = settings_of(text)
        if not is_topic and (said := misfit(settings, source, inferred.rows)) is not None:
            inferred.remarks.append(said)
            text = written(inferred, source, bootstrap, out.encoding)
    print_result(text)
    for remark in inferred.remarks:
        print_message(f"note: {remark}")
    print_message(_summary(inferred))


def _summary(inferred: Inferred) -> str:
    """What was found, in one line."""
    roles = inferred.roles
    label = roles.label if inferred.told is None else inferred.told.paths["label"]
    parts = {"label": label, "id": roles.id, "subject": roles.subject, "time": roles.time, "text": roles.text}
    found = ", ".join(f"{part} {column!r}" for part, column in parts.items() if column is not None)
    classes = f"{len(inferred.classes)} classes" if inferred.classes else "no classes"
    return f"{found or 'no roles'}; {len(inferred.features)} features, {classes}; {len(roles.left_out)} left out"


def _kafka(bootstrap: str | None) -> KafkaSettings:
    """The broker that is named, with the security of the environment. Raises ConfigError and UnclearError."""
    from pydantic import ValidationError

    from tocsin.config.kafka import KafkaSettings
    from tocsin.streams.replay.inference.label import UnclearError
    from tocsin.streams.replay.inference.self_check import settings_of

    kafka = settings_of("schema: {text: text}\n").kafka
    if bootstrap is None:
        return kafka
    try:
        return KafkaSettings(**{**dict(kafka), "bootstrap": bootstrap})
    except ValidationError:
        # The value is not repeated: it may hold a secret.
        raise UnclearError("--bootstrap: give host:port, or several separated by commas") from None


def _open_reader(kafka: KafkaSettings) -> Transport:
    """The broker's topics. Raises TransportError."""
    from tocsin.streams.transport.kafka import KafkaTransport

    return KafkaTransport(kafka, group="tocsin-init", client_id="tocsin-init")
