"""The environment's overrides of settings: `TOCSIN_KAFKA__BOOTSTRAP=host:port`."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from tocsin.config.loading.errors import ConfigError, nearest
from tocsin.config.loading.keys import valid_keys

PREFIX = "TOCSIN_"
DELIMITER = "__"
OTHERS = ("TOCSIN_CACHE_DIR", "TOCSIN_CONFIG", "TOCSIN_KERNELS_BACKEND")
"""Variables of Tocsin that are no settings: the folder of compiled kernels, the config that docker-compose.yml mounts,
and the back end of kernels where `kernels.backend` is `auto`. Variables of tests begin with TOCSINTEST_."""
_LEFT_OUT = ContextVar("_LEFT_OUT", default=False)
_LINK = re.compile(r"TOCSIN_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?|PORT)")
"""How Kubernetes names what it says of a service that is called tocsin or tocsin-...; such a PORT holds an address."""


def refuse_foreign_variables() -> None:
    """Raise ConfigError for a variable that names no setting: misspelt, it would have no effect."""
    groups = valid_keys([])
    for variable, value in sorted(os.environ.items()):
        name = variable.upper()
        if not name.startswith(PREFIX) or name in OTHERS or _is_link(name, value):
            continue
        group, nested, _ = name.removeprefix(PREFIX).lower().partition(DELIMITER)
        if nested and group not in [key for key in groups if key not in ("name", "seed", "shadow")]:
            raise ConfigError(f"the environment: {variable}: is no setting{nearest(group, groups)}")
        if group not in groups:
            raise ConfigError(f"the environment: {variable}: is no setting{_nearest_variable(name, groups)}")


def _is_link(name: str, value: str) -> bool:
    return bool(_LINK.fullmatch(name)) and (not name.endswith("_PORT") or "SERVICE" in name or "://" in value)


def _nearest_variable(name: str, groups: Sequence[str]) -> str:
    """The end of a message about a variable: the known one that is nearest to it, or how one is named."""
    known = [*OTHERS, *(PREFIX + group.upper() for group in groups)]
    known += [f"{PREFIX}{group}{DELIMITER}{key}".upper() for group in groups for key in valid_keys([group])]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; a setting's variable is {PREFIX}GROUP{DELIMITER}KEY, with one of the groups {', '.join(groups)}"


def variable_of(keys: Sequence[int | str], in_file: bool) -> str | None:
    """The variable that gave the value at this path, None where none did; `in_file`: the file holds the path, too.

    A variable named for the path itself overrides the file. One named for a group or a list above it holds JSON, which
    replaces lists and is merged into groups.
    """
    if _LEFT_OUT.get():
        return None
    present = {variable.upper(): variable for variable in os.environ}
    for end in range(len(keys), 0, -1):
        variable = present.get(PREFIX + DELIMITER.join(str(key) for key in keys[:end]).upper())
        if variable is None:
            continue
        whole, in_list = end == len(keys), isinstance(keys[min(end, len(keys) - 1)], int)
        if whole or in_list or not in_file:
            return variable
    return None


@contextmanager
def left_out() -> Iterator[None]:
    """Within this block no variable is named as what gave a value: the settings are read without the environment."""
    token = _LEFT_OUT.set(True)
    try:
        yield
    finally:
        _LEFT_OUT.reset(token)
