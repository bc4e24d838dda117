"""Load the settings of a YAML file, under the overrides of the environment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError

from tocsin.config.loading import document, environment
from tocsin.config.loading.errors import ConfigError, unknown_key
from tocsin.config.loading.keys import valid_keys
from tocsin.config.loading.mistakes import describe
from tocsin.config.loading.shadow import beside
from tocsin.config.settings import Settings

MAX_BYTES = 1024 * 1024
"""The size of the largest file that is read as a config."""


def load(path: Path | str) -> Settings:
    """The settings of a YAML file with the environment's overrides, and with those of its shadow if it names one.

    Raises ConfigError, whose text has one line a mistake.
    """
    path = Path(path)
    root, values = _parse(path)
    _refuse_foreign_keys(path, root, values)
    environment.refuse_foreign_variables()
    try:
        settings = Settings(**values)
    except SettingsError as error:
        raise ConfigError(f"the environment: {error}: expected JSON") from None
    except ValidationError as error:
        mistakes = [describe(path, root, details) for details in error.errors()]
        raise ConfigError(*dict.fromkeys(mistakes)) from None
    return settings if settings.shadow is None else settings.with_shadow(_shadow_of(settings, values, path))


def _shadow_of(settings: Settings, values: dict[Any, Any], path: Path) -> Settings | None:
    """The settings of the shadow that a config names. Raises ConfigError."""
    assert settings.shadow is not None
    other = path.parent / settings.shadow
    if not other.exists():
        raise ConfigError(f"{place(path, ['shadow'])}: names {other}, and there is no such file")
    root, found = _parse(other)
    _refuse_foreign_keys(other, root, found)
    return beside(settings, values, (other, root, found))


def place(path: Path | str, keys: Sequence[int | str]) -> str:
    """Where a setting stands, as `file:line: key`, for a mistake that shows only when something is built from it."""
    line, _ = document.find(yaml.compose(_read(Path(path)), document.Loader), keys)
    return f"{path}{'' if line is None else f':{line}'}: {'.'.join(str(key) for key in keys)}"


def _parse(path: Path) -> tuple[yaml.Node | None, dict[Any, Any]]:
    """The nodes of the file, which know their lines, and its values."""
    text = _read(path)
    try:
        document.refuse_tags(text)
        root = yaml.compose(text, document.Loader)
        document.refuse_doubles(path, root)
        values = yaml.load(text, document.Loader)  # a SafeLoader: it makes plain values only
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {document.syntax_mistake(error, text)}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply; is it a config file?") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None  # a date that does not exist, for example
    if root is None:
        return None, {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}:1: expected keys and values, found {type(values).__name__}")
    return root, values


def _read(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            kind = "is a directory" if path.is_dir() else "is no ordinary file, and may have no end"
            raise ConfigError(f"{path}: {kind}")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes; is it a config file?")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except ValueError as error:  # a NUL byte in the path
        raise ConfigError(f"{path}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def _refuse_foreign_keys(path: Path, root: yaml.Node | None, values: dict[Any, Any]) -> None:
    """Let only settings reach `Settings(...)`, which takes arguments of its own, such as `_env_prefix`, as well."""
    valid = valid_keys([])
    for key in values:
        if key not in valid:
            line, _ = document.find(root, [key])
            raise ConfigError(f"{path}:{line or 1}: {unknown_key('', str(key), valid)}")
