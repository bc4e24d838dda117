"""The document: what was inferred, as a YAML config with comments."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tocsin.config.loading.document import Loader
from tocsin.streams.printable import printable
from tocsin.streams.replay.inference.features import InferredFeature
from tocsin.streams.replay.inference.infer import Inferred
from tocsin.streams.replay.inference.reading.sources import topic_of

_LISTED = 200
"""Columns that are left out and named one by one."""
_SHOWN = 200
"""Characters of a name from outside in a comment."""


class Dumper(yaml.SafeDumper):
    """Writes what both YAML 1.1 and `tocsin.config.loading.document.Loader` read as it was meant."""


Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, ()), *Loader.yaml_implicit_resolvers.get(first, ())]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *Loader.yaml_implicit_resolvers}
}


def _text(dumper: Dumper, text: str) -> yaml.ScalarNode:
    """A text: in double quotes, which hold it in one line, where it has what is not shown as itself."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


Dumper.add_representer(str, _text)


def written(inferred: Inferred, source: str, bootstrap: str | None, encoding: str) -> str:
    """The config as the text of a file, in which nothing from outside steers a terminal.

    With another `encoding` than UTF-8 it is ASCII, which every reader of UTF-8 reads.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", re.split(r"[/:\\]", source)[-1].partition(".")[0]).strip("-._")[:64]
    text = _Document(inferred, source, name or "tocsin", bootstrap, unicode=True).text()
    if encoding.lower().replace("-", "") == "utf8" and printable(text, lines=True) == text:
        return text
    plain = _Document(inferred, source, name or "tocsin", bootstrap, unicode=False).text()
    return printable(plain, lines=True).encode("ascii", "backslashreplace").decode()


class _Document:
    def __init__(self, inferred: Inferred, source: str, name: str, bootstrap: str | None, unicode: bool) -> None:
        self._inferred = inferred
        self._source = source
        self._name = name
        self._bootstrap = bootstrap
        self._unicode = unicode

    def text(self) -> str:
        parts = (
            self._head(),
            self._broker(),
            self._schema(),
            self._classes(),
            self._early_risk(),
            self._replay(),
            self._left_out(),
        )
        return "\n".join(line for part in parts for line in part)

    def _head(self) -> Iterator[str]:
        found = self._inferred
        counted = f", and the classes counted in {found.counted:,}" if found.counted > found.rows else ""
        end = ", all there are" if found.whole and not self._source.startswith("kafka:") else ""
        looked = f"{found.rows:,} events were looked at{counted}{end}"
        yield f"# Written by `tocsin init` from {_quoted(self._source)}: {looked}."
        yield "# Read it, and correct it where it is wrong. `tocsin check` then says whether it is valid, and"
        yield "# `tocsin replay CONFIG SOURCE --in-process` how good the decisions on these events would have been."
        for remark in found.remarks:
            yield f"# Note: {printable(remark)}."
        yield self._line({"name": self._name})

    def _broker(self) -> Iterator[str]:
        address = self._bootstrap or "127.0.0.1:9092"
        yield self._line({"kafka": {"bootstrap": address}}, flow=True, comment="the address of your broker")
        if self._source.startswith("kafka:"):
            told = self._inferred.told
            labels = {} if told is None else {"labels": told.topic}
            yield self._line({"topics": {"events": topic_of(self._source)} | labels}, flow=True)

    def _schema(self) -> Iterator[str]:
        found, roles = self._inferred, self._inferred.roles
        yield "schema:"
        if found.shape == "table":
            yield '  # An event on the topic: {"id": ..., "subject": ..., "time": ..., "features": {...}, "text": ...};'
            yield "  # producers that send another shape need dot paths here. `replay` below names the file's columns."
        for part, column in (("id", roles.id), ("subject", roles.subject), ("time", roles.time)):
            yield from self._part(part, column)
        if found.told is not None:
            paths, columns = found.told.paths, found.told.columns
            others = [part for part in ("event", "time") if part not in paths and _is_taken(part, columns)]
            free = {part: _free(part, columns) for part in others}
            yield self._line({"label": {**paths, **free}}, indent=2, flow=True)
        if roles.text is not None:
            yield self._line({"text": roles.text if found.shape == "json" else "text"}, indent=2)
        if found.features:
            yield "  features:"
        for feature in found.features:
            yield self._feature(feature)

    def _part(self, part: str, column: str | None) -> Iterator[str]:
        """Where the id, the subject or the time stands."""
        found, taken = self._inferred, _is_taken(part, self._inferred.columns)
        if found.shape == "json" and column is not None:
            yield self._line({part: column}, indent=2)
        elif found.shape == "json" and part == "subject":
            path = found.roles.id or _free("id", found.columns)
            why = "no field says who an event is about, so each event is a subject of its own"
            why += "" if found.roles.id else ", and has to have this field"
            yield self._line({part: path}, indent=2, comment=why)
        elif column is None and taken:
            why = f"{part} is the name of something else"
            yield self._line({part: _free(part, found.columns)}, indent=2, comment=why)

    def _feature(self, feature: InferredFeature) -> str:
        settings: dict[str, Any] = {"name": feature.name}
        if feature.kind != "number":
            settings["kind"] = feature.kind
        if feature.path is not None:
            settings["path"] = feature.path
        if not feature.required:
            settings["required"] = False
        if feature.parts:
            settings["parts"] = list(feature.parts)
        return self._line([settings], flow=True, indent=4, comment=feature.note)

    def _classes(self) -> Iterator[str]:
        classes = self._inferred.classes
        if not classes:
            return
        total = sum(classes.values())
        unlabelled = self._inferred.unlabelled
        yield "classes:" + (f"  # {unlabelled:,} events have no label" if unlabelled else "")
        for name, times in classes.items():
            yield self._line([name], indent=2, comment=f"{times:,} of {total:,}, {times / total:.2%}")

    def _early_risk(self) -> Iterator[str]:
        if self._inferred.warned is None:
            return
        name, why = self._inferred.warned
        yield "early_risk:"
        yield "  # Labels are those of subjects: an alert is raised for one as early as what it wrote suffices."
        yield self._line({"classes": [name]}, indent=2, flow=True, comment=why)

    def _replay(self) -> Iterator[str]:
        found, roles = self._inferred, self._inferred.roles
        columns: dict[str, Any] = {} if roles.label is None else {"label": roles.label}
        if found.shape == "table":
            of_roles = {"id": roles.id, "subject": roles.subject, "time": roles.time, "text": roles.text}
            columns |= {part: column for part, column in of_roles.items() if column is not None}
            if found.delimiter != ",":
                columns["delimiter"] = found.delimiter
            if found.header:
                columns["header"] = list(found.header)
        if (label_time := roles.label_time or found.label_time) is not None:
            columns["label_time"] = label_time
        if not columns:
            return
        yield "replay:"
        for key, value in columns.items():
            yield self._line({key: value}, indent=2, flow=isinstance(value, list))

    def _left_out(self) -> Iterator[str]:
        left_out = self._inferred.roles.left_out
        if not left_out:
            return
        yield "# Left out:"
        for name, why in list(left_out.items())[:_LISTED]:
            yield f"#   {_quoted(name)}: {printable(why)}"
        if len(left_out) > _LISTED:
            yield f"#   and {len(left_out) - _LISTED:,} more"

    def _line(self, value: Any, *, flow: bool = False, indent: int = 0, comment: str = "") -> str:
        """One line of YAML: a key and its value, or one entry of a list; in `flow` style within brackets."""
        inner, before = value, ""
        if flow and isinstance(value, list):
            [inner], before = value, "- "
        elif flow:
            [(key, inner)] = value.items()
            before = f"{key}: "
        text = yaml.dump(
            inner, Dumper=Dumper, default_flow_style=flow, width=math.inf, allow_unicode=self._unicode, sort_keys=False
        )
        return " " * indent + before + text.strip("\n") + (f"  # {printable(comment)}" if comment else "")


def _quoted(name: str) -> str:
    """A name from outside as it stands in a comment."""
    return printable(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...") or '""'


def _is_taken(part: str, columns: frozenset[str]) -> bool:
    return any(one == part or one.startswith(f"{part}.") for one in columns)


def _free(part: str, columns: frozenset[str]) -> str:
    """A path for the id or the like at which nothing stands: the part's own name where that is free."""
    while _is_taken(part, columns):
        part = f"event_{part}"
    return part
