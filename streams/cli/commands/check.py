"""`tocsin check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import out, print_message, print_result
from tocsin.streams.cli.cost_warnings import cost_warnings
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.wire.printable import printable

if TYPE_CHECKING:
    from tocsin.config import Settings

app = typer.Typer()


@app.command(epilog="Example: `tocsin check config/presets/electricity.yaml`")
def check(config: ConfigFile) -> None:
    """Validate a config and print the whole tree of settings as it stands, with defaults and environment."""
    import yaml
    from rich.syntax import Syntax

    settings = load_settings(config)
    with reporting_errors():
        _build_model(config, settings)
    tree = settings.model_dump(mode="json", by_alias=True)
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    if printable(text, lines=True) != text:  # then YAML's own escapes, so that what is printed is still YAML
        text = yaml.safe_dump(tree, sort_keys=False)
    if out.is_terminal:
        out.print(Syntax(text, "yaml", background_color="default"), soft_wrap=True)
    else:
        print_result(text)
    for warning in cost_warnings(settings):
        print_message(f"warning: {warning}")
    print_message(f"{config}: valid; the model's hash is {settings.model.digest()}")


def _build_model(path: Path, settings: Settings) -> None:
    """Build the model, because only that shows whether the parameters of its experts are right. Raises ConfigError."""
    from tocsin.config import ConfigError, place
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
