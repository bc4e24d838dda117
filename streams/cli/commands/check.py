"""`tocsin check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.streams.cli.config_argument import ConfigFile, load_settings
from tocsin.streams.cli.console import log_to_stderr, out, print_message, print_result
from tocsin.streams.cli.cost_warnings import cost_warnings
from tocsin.streams.cli.engagement_warnings import engagement_warnings
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.cli.novelty_warnings import novelty_warnings
from tocsin.streams.printable import printable

if TYPE_CHECKING:
    from tocsin.config import Settings

app = typer.Typer()


@app.command(epilog="Example: `tocsin check config/presets/electricity.yaml`")
def check(
    config: ConfigFile,
    broker: Annotated[
        bool, typer.Option("--broker", help="Also ask the broker: which rights are missing, which topics are too weak.")
    ] = False,
) -> None:
    """Validate a config and print the whole tree of settings as it stands, with defaults and environment."""
    import yaml
    from rich.syntax import Syntax

    settings = load_settings(config)
    with reporting_errors():
        _build_model(config, settings)
        if settings.shadow is not None and settings.of_shadow is not None:
            _build_model(config.parent / settings.shadow, settings.of_shadow)
    tree = settings.model_dump(mode="json", by_alias=True)
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    if printable(text, lines=True) != text:  # then YAML's own escapes, so that what is printed is still YAML
        text = yaml.safe_dump(tree, sort_keys=False)
    if out.is_terminal:
        out.print(Syntax(text, "yaml", background_color="default"), soft_wrap=True)
    else:
        print_result(text)
    for warning in (*cost_warnings(settings), *novelty_warnings(settings), *engagement_warnings(settings)):
        print_message(f"warning: {warning}")
    if mistake := _mistake_of_erasure(settings):
        print_message(f"warning: {mistake}")
    if note := _of_another_model(settings):
        print_message(note)
    print_message(
        f"{config}: valid; the model's hash is {settings.model.digest()}, that of the whole config {settings.digest()}"
    )
    if settings.shadow is not None:
        print_message(_of_shadow(config.parent / settings.shadow, settings.of_shadow))
    if broker:
        with reporting_errors():
            _ask_broker(settings)


def _of_shadow(path: Path, settings: Settings | None) -> str:
    """What there is to say of a shadow, whose settings are None where it decides as the first config does."""
    if settings is None:
        return (
            f"{path}: the shadow decides by the same config, so there is none: leave `shadow` out, or change its file"
        )
    digests = f"the model's hash is {settings.model.digest()}, that of the whole config {settings.digest()}"
    return f"{path}: valid as the shadow, under all other settings of the config that names it; {digests}"


def _ask_broker(settings: Settings) -> None:
    """Say what is missing or too weak on the broker. Raises TransportError where it does not answer."""
    from tocsin.streams.transport import rights, topics
    from tocsin.streams.transport.weaknesses import weaknesses

    log_to_stderr()
    lacking = rights.missing(settings.kafka, rights.of_worker(settings))
    lines = [f"{rights.principal(settings.kafka)} lacks {right}" for right in lacking]
    lines += [f"topic {topic}: missing; `tocsin topics create` makes it" for topic in topics.missing(settings)]
    lines += map(str, weaknesses(settings))
    for line in lines:
        print_message(line)
    if not lines:
        print_message(f"{settings.kafka.bootstrap}: every topic is there and as it should be")


def _mistake_of_erasure(settings: Settings) -> str | None:
    """Why a service of these settings could not seal anything here; None where it could, or is not to."""
    from tocsin.streams.wire.sealing.secret import ErasureError, Secret

    try:
        Secret.of(settings)
    except ErasureError as error:
        return str(error)
    return None


def _of_another_model(settings: Settings) -> str | None:
    """What a start makes of a snapshot that is not of this config's model; None where there is none."""
    from tocsin.models.data.snapshot import SnapshotError, read_manifest

    directory = settings.state.directory / settings.name / "snapshot"
    try:
        manifest = read_manifest(directory)
    except SnapshotError:
        return None
    if manifest.get("config") == settings.model.digest(manifest.get("lineage", "")):
        return None
    return (
        f"{directory} is of another model ({manifest.get('config')}): the next start folds the feedback log anew, and "
        "scores anew what that model had seen"
    )


def _build_model(path: Path, settings: Settings) -> None:
    """Build the model, because only that shows whether the parameters of its experts are right. Raises ConfigError."""
    from tocsin.config import ConfigError, place
    from tocsin.models.classifier import Classifier

    try:
        Classifier.from_config(settings)
    except ValueError as error:
        where, _, what = str(error).partition(": ")
        group, *keys = where.split(".")
        below = [int(key) if key.isdigit() else key for key in keys[1:]]
        index = next((i for i, expert in enumerate(settings.experts) if keys[:1] == [expert.name]), None)
        if group != "experts" or index is None:
            raise ConfigError(f"{path}: {error}") from None
        raise ConfigError(f"{place(path, [group, index, *below])}: {what}") from None
