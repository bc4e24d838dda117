from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.streams.replay.inference.document import written
from tocsin.streams.replay.inference.features import InferredFeature
from tocsin.streams.replay.inference.infer import Inferred
from tocsin.streams.replay.inference.reading.flat import flat, path_to
from tocsin.streams.replay.inference.reading.past_rows import Shape
from tocsin.streams.replay.inference.roles import Roles
from tocsin.streams.replay.inference.self_check import settings_of
from tocsin.streams.wire.dot_paths import walk

ODD = [
    "no", "1e-7", "1_000", "010", "1:30:00", "~", "null", "true", "- a", "a: b", "#x", "'", '"', "\\", "*a", "!b", "&c",
    "=", "<<", "@", "`", "%", "?", "[", "{", " a ", "a\nb", "\t", "\x07", "\x85", "\u2028", "\ufeff", "\U0001f514",
    ".5", "2026-01-01", "0x1f", "1e400", "-.inf", ".nan", "\x00",
]  # fmt: skip
NAMES = st.one_of(st.sampled_from(ODD), st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))


def inferred(names: list[str], classes: list[str], shape: Shape, header: bool) -> Inferred:
    roles = Roles(names[0], id=names[1], subject=names[2], time=names[3], left_out=dict.fromkeys(names, names[0]))
    features = [InferredFeature(name, "number", None, True, names[0]) for name in names]
    return Inferred(
        shape, "\t", tuple(names) if header else (), frozenset(names), roles, features, dict.fromkeys(classes, 3), 1,
        10, 10, True, remarks=[names[0]],
    )  # fmt: skip


@settings(max_examples=40)
@given(
    st.lists(NAMES, min_size=4, max_size=8, unique=True),
    st.lists(NAMES, min_size=2, max_size=5, unique=True),
    st.sampled_from(["utf-8", "ascii", "latin-1"]),
    st.booleans(),
)
def test_whatever_columns_and_classes_are_called_the_config_reads_them_as_they_are(
    names: list[str], classes: list[str], encoding: str, header: bool
) -> None:
    text = written(inferred(names, classes, "table", header), "a\nb: c/städte.csv", None, encoding)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert text.encode(encoding).decode("utf-8") == text
    said = settings_of(text)
    assert said.classes == tuple(classes)
    assert [feature.name for feature in said.schema_.features] == names
    replay = said.replay
    assert [replay.label, replay.id, replay.subject, replay.time] == names[:4]
    assert (replay.delimiter, replay.header) == ("\t", tuple(names) if header else ())


KEYS = st.one_of(st.sampled_from([*ODD, "a.b", ".", "a\\", "\\.", "0"]), st.text(max_size=8))
TREES = st.recursive(st.integers(), lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3), max_leaves=8)


@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=4))
def test_a_dot_path_leads_to_the_value_that_it_was_made_for_or_there_is_none(event: dict[str, object]) -> None:
    for keys, value in flat(event).items():
        path = path_to(list(keys))
        if path is None:
            assert any(not key or key != key.strip() or not key.isprintable() or max(key) >= "\ud800" for key in keys)
        elif all("." not in key for key in keys):
            assert walk(event, keys) == (True, value)


def test_a_file_name_that_makes_no_name_of_a_service_is_replaced() -> None:
    made = inferred(["a", "b", "c", "d"], ["x", "y"], "table", False)
    for source, name in (("/data/my file (2).csv.gz", "my-file-2"), ("漢.csv", "tocsin"), ("kafka:pay.ments", "pay")):
        assert settings_of(written(made, source, None, "utf-8")).name == name
