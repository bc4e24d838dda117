"""Settings for the tests of the config: small ones, changed ones, and all groups that there are."""

from __future__ import annotations

import json
from typing import Any

from tocsin.config import Settings
from tocsin.config.base import FrozenSettings
from tocsin.config.experts import kinds


def made(**values: Any) -> Settings:
    return Settings(**{"schema": {"text": "body"}, **values})


BASE: dict[str, Any] = {
    "schema": {"text": "body", "features": [{"name": "a"}, {"name": "b", "kind": "category"}]},
    "classes": ["x", "y"],
    "experts": [
        {"kind": "river", "name": "tree", "parameters": {"grace_period": 50}},
        {"kind": "linear"},
        {"kind": "persistence"},
        {"kind": "ss3"},
        {"kind": "linear-text"},
    ],
    "abstention": {"controls": "cost"},
}


def changed(path: str, value: Any) -> Settings:
    values: Any = json.loads(json.dumps(BASE))
    place: Any = values
    *way, last = path.split(".")
    for key in way:
        place = place[int(key)] if key.isdigit() else place.setdefault(key, {})
    place[int(last) if last.isdigit() else last] = value
    if path == "abstention.quick_labels":  # they go with nothing else
        place["controls"] = "error"
    return Settings(**values)


def groups() -> list[type[FrozenSettings]]:
    kinds()  # which imports the settings of every expert
    found: list[type[FrozenSettings]] = []
    waiting = [FrozenSettings]
    while waiting:
        below = waiting.pop().__subclasses__()
        found += below
        waiting += below
    return [group for group in found if group.__module__.startswith("tocsin.config")]
