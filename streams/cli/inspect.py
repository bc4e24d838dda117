"""`tocsin check`, `tocsin schema`, `tocsin explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import yaml
from rich.syntax import Syntax

from tocsin.config import ConfigError, Settings, place
from tocsin.config.schema import SchemaSettings
from tocsin.streams.cli.app import (
    ConfigFile,
    app,
    err,
    log_to_stderr,
    out,
    settings_of,
    told,
)
from tocsin.streams.cli.render import render
from tocsin.streams.wire.encode import read_back


@app.command(epilog="Example: `tocsin check config/presets/electricity.yaml`")
def check(config: ConfigFile) -> None:
    """Validate a config and print the whole tree of settings as it stands, with defaults and environment."""
    settings = settings_of(config)
    with told():
        _build(config, settings)
    tree = settings.model_dump(mode="json", by_alias=True)
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    out.print(
        Syntax(text, "yaml", background_color="default") if out.is_terminal else text,
        markup=False,
        soft_wrap=True,
    )
    err.print(f"{config}: valid; the model's hash is {settings.model.digest()}", highlight=False)


def _build(path: Path, settings: Settings) -> None:
    """An expert's model and parameters are only known to be right once it is built."""
    from tocsin.models.classifier import Classifier

    try:
        Classifier.from_config(settings)
    except ValueError as error:
        where, _, what = str(error).partition(": ")
        group, *keys = where.split(".")
        index = next((i for i, expert in enumerate(settings.experts) if keys[:1] == [expert.name]), None)
        if group != "experts" or index is None:
            raise ConfigError(f"{path}: {error}") from None
        raise ConfigError(f"{place(path, [group, index, *keys[1:]])}: {what}") from None


@app.command(epilog="Example: `tocsin schema decision`, `tocsin schema asyncapi > asyncapi.json`")
def schema(
    of: Annotated[str, typer.Argument(help="config, a record (event, label, decision, ...), asyncapi, or all")] = "all",
) -> None:
    """Print the JSON Schema of the config or of a record, or the AsyncAPI document of the topics."""
    from tocsin.streams.wire.json_schema import documents

    known = documents()
    if of == "all":
        result: Any = {name: known[name] for name in known if name != "asyncapi"}
    elif of in known:
        result = known[of]
    else:
        err.print(f"no schema {of!r}; choose one of {', '.join(known)}, or all", style="red", highlight=False)
        raise typer.Exit(2)
    out.print(json.dumps(result, indent=2), markup=False, highlight=False, soft_wrap=True)


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
    # Only the broker and the topics matter here; a schema must see something to be valid.
    settings = settings_of(config) if config is not None else Settings(schema_=SchemaSettings(text="text"))
    log_to_stderr(verbose=False)
    with told():
        found = _last_decision(settings, event_id)
    if found is None:
        err.print(f"no decision of {event_id!r} in {settings.topics.decisions}", style="red", highlight=False)
        raise typer.Exit(1)
    text = json.dumps(found, indent=2, ensure_ascii=False) if raw else render(found)
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _last_decision(settings: Settings, event_id: str) -> dict[str, Any] | None:
    """The decision made last of an event. Raises LogError."""
    from tocsin.streams.worker import service

    needle = orjson.dumps(event_id)
    found: dict[str, Any] | None = None
    log = service.reader(settings)
    try:
        for partition, end in log.end_offsets(settings.topics.decisions).items():
            for record in log.read(partition, 0, end):
                decision = read_back(record) if needle in (record.value or b"") else None
                if decision is not None and decision.get("event") == event_id:
                    found = decision if found is None else max(found, decision, key=lambda d: int(d["decided_at"]))
    finally:
        log.close()
    return found
