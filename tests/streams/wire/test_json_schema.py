from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tocsin.config.settings import Settings
from tocsin.streams.wire.json_schema import CONFIG, RECORDS, documents

from ..support import START

DOCUMENTS = documents()


@pytest.mark.parametrize("name", [n for n in DOCUMENTS if n != "asyncapi"])
def test_every_schema_is_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(DOCUMENTS[name])


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [r for value in node.values() for r in references(value)]
    return [r for item in node for r in references(item)] if isinstance(node, list) else []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_resolves_within_its_document(name: str) -> None:
    found = references(DOCUMENTS[name])
    assert found or name not in ("asyncapi", "config")
    for reference in found:
        node: Any = DOCUMENTS[name]
        assert reference.startswith("#/")
        for part in reference[2:].split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        assert isinstance(node, dict)


def test_the_asyncapi_document_describes_every_topic() -> None:
    document = DOCUMENTS["asyncapi"]
    assert document["asyncapi"] == "3.0.0"
    topics = Settings.model_fields["topics"].default
    assert {c["address"] for c in document["channels"].values()} == set(topics.names())
    assert set(document["components"]["messages"]) == {*RECORDS, CONFIG}
    actions = {o["channel"]["$ref"].rsplit("/", 1)[-1]: o["action"] for o in document["operations"].values()}
    assert {c for c, action in actions.items() if action == "receive"} == {"events", "labels"}
    assert set(actions) == set(document["channels"])
    for name, message in document["components"]["messages"].items():
        schema = message["headers"] if name == "dead-letter" else message["payload"]
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["properties"]
    assert all(c["description"] for c in document["channels"].values())


def test_the_schemas_accept_the_contract_and_refuse_what_the_models_refuse() -> None:
    event = {"id": "e", "subject": 7, "time": "2026-01-01T00:00:00Z", "features": {"x": 1, "y": None}, "text": None}
    jsonschema.validate(event, DOCUMENTS["event"])
    jsonschema.validate({"event": "e", "label": True, "time": START}, DOCUMENTS["label"])
    for wrong in ({**event, "time": True}, {**event, "features": {"x": [1]}}, {"id": "e"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, DOCUMENTS["event"])


def test_documents_are_made_anew_each_time() -> None:
    documents()["event"].clear()
    assert documents()["event"]
