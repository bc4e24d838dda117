"""`tocsin check`, `tocsin schema`, `tocsin explain`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import orjson
import typer
import yaml
from rich.syntax import Syntax

from tocsin.streams.cli.app import ConfigFile, app, err, out, settings_of, told
from tocsin.streams.narrate import narrate


@app.command(epilog="Example: `tocsin check config/presets/electricity.yaml`")
def check(config: ConfigFile) -> None:
    """Validate a config and print the whole tree of settings as it stands, with defaults and environment."""
    settings = settings_of(config)
    with told():
        _build(settings)
    tree = settings.model_dump(mode="json", by_alias=True)
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    out.print(
        Syntax(text, "yaml", background_color="default") if out.is_terminal else text,
        markup=False,
        soft_wrap=True,
    )
    err.print(f"{config}: valid; the model's hash is {settings.model.digest()}", highlight=False)


def _build(settings: Any) -> None:
    """An expert's model and parameters are only known to be right once it is built."""
    from tocsin.config import ConfigError
    from tocsin.models.classifier import Classifier

    try:
        Classifier.from_config(settings)
    except ValueError as error:
        raise ConfigError(str(error)) from None


@app.command(epilog="Example: `tocsin schema decision`, `tocsin schema asyncapi > asyncapi.json`")
def schema(
    of: Annotated[str, typer.Argument(help="config, a record (event, label, decision, ...), asyncapi, or all")] = "all",
) -> None:
    """Print the JSON Schema of the config or of a record, or the AsyncAPI document of the topics."""
    from tocsin.streams.schemas import documents

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
    config: ConfigFile,
    raw: Annotated[bool, typer.Option("--json", help="Print the decision record instead of words.")] = False,
) -> None:
    """Find the last decision of an event in the decisions topic, and explain it in words."""
    from tocsin.streams import service

    settings = settings_of(config)
    needle = orjson.dumps(event_id)
    found: dict[str, Any] | None = None
    with told():
        log = service.reader(settings)
        try:
            for partition, end in log.ends(settings.topics.decisions).items():
                for record in log.read(partition, 0, end):
                    if record.value and needle in record.value:
                        decision = orjson.loads(record.value)
                        if decision["event"] == event_id and (
                            found is None or decision["decided_at"] >= found["decided_at"]
                        ):
                            found = decision
        finally:
            log.close()
    if found is None:
        err.print(f"no decision of {event_id!r} in {settings.topics.decisions}", style="red", highlight=False)
        raise typer.Exit(1)
    text = json.dumps(found, indent=2, ensure_ascii=False) if raw else narrate(found)
    out.print(text, markup=False, highlight=False, soft_wrap=True)
