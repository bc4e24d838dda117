"""JSON Schema of the config and of every record, and the AsyncAPI document of the topics."""

from __future__ import annotations

import ast
import functools
import inspect
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import msgspec

from tocsin.config.settings import Settings
from tocsin.explain import explanation
from tocsin.streams.wire import records
from tocsin.streams.wire.kinds import dead_letter, judged, keys, link, promise, shadow, snapshots
from tocsin.streams.wire.packed import control

CONFIG = "config"
"""The name of the schema of a whole config, which is no record of a struct's."""
RECORDS: dict[str, type[msgspec.Struct]] = {
    "event": records.Event,
    "label": records.Label,
    "decision": records.Decision,
    "feedback": records.Feedback,
    "control": control.Control,
    "alert": records.Alert,
    "review": records.Review,
    "dead-letter": dead_letter.DeadLetter,
    "telemetry": records.Telemetry,
    "snapshots": snapshots.SnapshotPointer,
    "key": keys.SubjectKey,
}
_TOPICS = {
    "events": ("event", "receive"),
    "labels": ("label", "receive"),
    "decisions": ("decision", "send"),
    "feedback": ("feedback", "send"),
    "alerts": ("alert", "send"),
    "review": ("review", "send"),
    "dead_letters": ("dead-letter", "send"),
    "telemetry": ("telemetry", "send"),
    "snapshots": ("snapshots", "send"),
    "configs": (CONFIG, "send"),
    "keys": ("key", "send"),
}


def documents() -> dict[str, dict[str, Any]]:
    """Every schema by its name on the command line."""
    return {
        CONFIG: Settings.model_json_schema(by_alias=True),
        **{name: schema_of(record) for name, record in RECORDS.items()},
        "asyncapi": asyncapi(),
    }


def schema_of(record: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of a record, with what its docstrings say of its fields."""
    _, components = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    definitions: dict[str, Any] = {name: _definition(name, schema) for name, schema in components.items()}
    top: dict[str, Any] = definitions.pop(record.__name__)
    return {**top, "$defs": definitions} if definitions else top


def _definition(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of one struct as msgspec gives it, completed."""
    properties = {key: _widened(value) for key, value in schema["properties"].items()}
    for key, description in _descriptions().get(name, {}).items():
        properties[key] = {**properties[key], "description": description}
    required = [key for key in schema.get("required", ()) if "default" not in properties[key]]
    return {**schema, "properties": properties, "required": required}


def _widened(node: Any) -> Any:
    """A schema without the canonical type, where `anyOf` lists all the forms that are accepted."""
    if isinstance(node, list):
        return [_widened(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "anyOf" in node:
        node = {key: value for key, value in node.items() if key in ("anyOf", "default", "description")}
    return {key: _widened(value) for key, value in node.items()}


@functools.cache
def _descriptions() -> dict[str, dict[str, str]]:
    """The docstrings below the fields of records, by record and by the field's key on the wire."""
    told = (explanation, records, control, dead_letter, judged, keys, link, promise, shadow, snapshots)
    return {name: text for module in told for name, text in _docstrings(module).items()}


def _docstrings(module: ModuleType) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for definition in ast.parse(inspect.getsource(module)).body:
        if isinstance(definition, ast.ClassDef):
            struct: type[msgspec.Struct] = getattr(module, definition.name)
            keys = dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
            found[definition.name] = {keys[field]: text for field, text in _field_docstrings(definition)}
    return found


def _field_docstrings(definition: ast.ClassDef) -> list[tuple[str, str]]:
    found = []
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match following:
                case ast.Expr(ast.Constant(str() as text)):
                    found.append((statement.target.id, inspect.cleandoc(text)))
    return found


def asyncapi() -> dict[str, Any]:
    """The topics as an AsyncAPI 3.0 document, from Tocsin's side: it receives events and labels, and sends the rest."""
    defaults = Settings.model_fields["topics"].default
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for channel, (record, action) in _TOPICS.items():
        topic = getattr(defaults, channel)
        channels[channel] = {
            "address": topic,
            "description": _summary(record),
            "messages": {record: {"$ref": f"#/components/messages/{record}"}},
        }
        operations[f"{action}_{channel}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [{"$ref": f"#/channels/{channel}/messages/{record}"}],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tocsin",
            "version": _version(),
            "description": "Classifies every event of a topic, learns from labels that come late, explains, abstains.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": "127.0.0.1:9092", "protocol": "kafka"}},
        "channels": channels,
        "operations": operations,
        "components": {"messages": {name: _message(name) for name in (*RECORDS, CONFIG)}},
    }


def _message(name: str) -> dict[str, Any]:
    if name == CONFIG:
        payload = _inlined(Settings.model_json_schema(by_alias=True))
        key = {"type": "string", "description": "the config digest, as `model.settings` of decisions"}
        return {"name": name, "summary": _summary(name), "payload": payload, "bindings": {"kafka": {"key": key}}}
    schema = _inlined(schema_of(RECORDS[name]))
    message: dict[str, Any] = {"name": name, "summary": _summary(name)}
    if name == "dead-letter":  # the value is the original record; what is typed are the headers
        return {**message, "headers": schema, "payload": {}, "contentType": "application/octet-stream"}
    message["payload"] = schema
    if name in ("event", "label", "decision", "alert", "review", "feedback"):
        message["bindings"] = {"kafka": {"key": {"type": "string", "description": "the subject"}}}
    return message


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose definitions stand where they are used: a reference within a message would not resolve."""
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                name = node["$ref"].rsplit("/", 1)[-1]
                return resolve({**definitions[name], **{k: v for k, v in node.items() if k != "$ref"}})
            return {key: resolve(value) for key, value in node.items()}
        return [resolve(item) for item in node] if isinstance(node, list) else node

    resolved: dict[str, Any] = resolve(schema)
    return resolved


def _summary(name: str) -> str:
    """The first paragraph of what a record's docstring says."""
    if name == CONFIG:
        return "A whole config that made a decision, without its secrets."
    return (RECORDS[name].__doc__ or name).split("\n\n")[0].replace("\n", " ").strip()


def _version() -> str:
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return "0"
