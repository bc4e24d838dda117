"""`tocsin schema`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tocsin.streams.cli.console import print_message, print_result

app = typer.Typer()


@app.command(epilog="Example: `tocsin schema decision`, `tocsin schema asyncapi > asyncapi.json`")
def schema(
    document: Annotated[
        str, typer.Argument(help="config, a record (event, label, decision, ...), asyncapi, or all")
    ] = "all",
) -> None:
    """Print the JSON Schema of the config or of a record, or the AsyncAPI document of the topics."""
    from tocsin.streams.wire.json_schema import documents

    known = documents()
    if document == "all":
        result: Any = {name: known[name] for name in known if name != "asyncapi"}
    elif document in known:
        result = known[document]
    else:
        print_message(f"no schema {document!r}; choose one of {', '.join(known)}, or all", failed=True)
        raise typer.Exit(2)
    print_result(json.dumps(result, indent=2))
