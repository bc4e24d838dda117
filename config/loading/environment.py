"""The environment's overrides of settings: `TOCSIN_KAFKA__BOOTSTRAP=host:port`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tocsin.config.loading.errors import ConfigError, nearest
from tocsin.config.loading.keys import valid_keys

PREFIX = "TOCSIN_"
DELIMITER = "__"


def refuse_foreign_variables() -> None:
    """Raise ConfigError for a variable that names no group of settings: misspelt, it would have no effect."""
    valid = [key for key in valid_keys([]) if key not in ("name", "seed")]
    for variable in os.environ:
        group, nested, _ = variable.removeprefix(PREFIX).lower().partition(DELIMITER)
        if variable.startswith(PREFIX) and nested and group not in valid:
            raise ConfigError(f"the environment: {variable}: is no setting{nearest(group, valid)}")


def variable_of(keys: Sequence[int | str], in_file: bool) -> str | None:
    """The variable that gave the value at this path, None where none did; `in_file`: the file holds the path, too.

    A variable named for the path itself overrides the file. One named for a group or a list above it holds JSON, which
    replaces lists and is merged into groups.
    """
    present = {variable.upper(): variable for variable in os.environ}
    for end in range(len(keys), 0, -1):
        variable = present.get(PREFIX + DELIMITER.join(str(key) for key in keys[:end]).upper())
        if variable is None:
            continue
        whole, in_list = end == len(keys), isinstance(keys[min(end, len(keys) - 1)], int)
        if whole or in_list or not in_file:
            return variable
    return None
