"""JSON Schema of the config and of every record, and the AsyncAPI document of the topics."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tocsin.config.settings import Settings
from tocsin.streams.wire import records

RECORDS: dict[str, type[records.Record]] = {
    "event": records.Event,
    "label": records.Label,
    "decision": records.Decision,
    "feedback": records.Feedback,
    "alert": records.Alert,
    "review": records.Review,
    "dead-letter": records.DeadLetter,
    "telemetry": records.Telemetry,
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
}


def documents() -> dict[str, dict[str, Any]]:
    """Every schema by its name on the command line."""
    return {
        "config": Settings.model_json_schema(by_alias=True),
        **{name: record.model_json_schema(by_alias=True) for name, record in RECORDS.items()},
        "asyncapi": asyncapi(),
    }


def asyncapi() -> dict[str, Any]:
    """The topics as an AsyncAPI 3.0 document, from Tocsin's side: it receives events and labels, and sends the rest."""
    defaults = Settings.model_fields["topics"].default
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for channel, (record, action) in _TOPICS.items():
        topic = getattr(defaults, channel)
        channels[channel] = {
            "address": topic,
            "description": _summary(records_doc(record)),
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
        "components": {"messages": {name: _message(name) for name in RECORDS}},
    }


def _message(name: str) -> dict[str, Any]:
    schema = _inlined(RECORDS[name].model_json_schema(by_alias=True))
    message: dict[str, Any] = {"name": name, "summary": _summary(records_doc(name))}
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


def records_doc(name: str) -> str:
    """What a record is, in the words of its model."""
    return RECORDS[name].__doc__ or name


def _summary(text: str) -> str:
    return text.split("\n\n")[0].replace("\n", " ").strip()


def _version() -> str:
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return "0"
