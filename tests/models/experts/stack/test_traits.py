"""Traits of texts: each character is of one sort, and stretches end with the text."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.models.experts.stack.traits import SORTS, TRAITS, traits


def counted(text: str | None, most: int = 100) -> dict[str, int]:
    """The traits that are not 0, as counts."""
    counts = np.expm1(traits([text], most)[0]).round().astype(int).tolist()
    return {name: count for name, count in zip(TRAITS, counts, strict=True) if count}


def reference(text: str) -> dict[str, int]:
    """The same, as it is written."""
    named = {character: name for name, characters in SORTS.items() for character in characters}
    result: dict[str, int] = {}
    for character in text:
        plain = "letters" if character.isalpha() else "marks"
        name = named.get(character, plain if ord(character) < 128 else "others")
        result[name] = result.get(name, 0) + 1
    words = text.replace("\t", " ").replace("\n", " ").replace("\r", " ").split(" ")
    result["words"] = len([word for word in words if word])
    result["longest word"] = max(map(len, words))
    for name, sort in (("longest number", "digits"), ("longest capitals", "capitals")):
        kept = "".join(character if character in SORTS[sort] else " " for character in text)
        result[name] = max(map(len, kept.split(" ")))
    return {name: count for name, count in result.items() if count}


@pytest.mark.parametrize(
    "text",
    [
        "WIN 500 now!",
        "call 0800-123456 or www.example.com/x?y=1 for £10, €5",
        "  two  spaces\tand\na line ",
        "日本語 и кириллица 🎉",
        "ENDS IN CAPITALS",
        "9",
        "\ud800 half a pair",
    ],
)
def test_each_trait_is_what_a_loop_over_the_characters_counts(text: str) -> None:
    assert counted(text) == reference(text)


@pytest.mark.parametrize("text", [None, ""])
def test_no_text_has_no_traits(text: str | None) -> None:
    assert counted(text) == {}


def test_a_text_has_the_same_bits_alone_and_among_others() -> None:
    rng = np.random.default_rng(0)
    texts: list[str | None] = ["".join(chr(c) for c in rng.integers(32, 300, n)) for n in rng.integers(0, 80, 200)]
    texts[7] = None
    together = traits(texts, 50)
    assert together.tobytes() == np.concatenate([traits([text], 50) for text in texts]).tobytes()


def test_stretches_do_not_run_from_one_text_into_the_next() -> None:
    assert traits(["12", "34"], 10).tobytes() == np.concatenate([traits(["12"], 10), traits(["34"], 10)]).tobytes()


def test_only_the_first_characters_of_a_long_text_are_read() -> None:
    assert counted("a" * 50 + "!" * 1_000, most=51) == counted("a" * 50 + "!")
    assert np.isfinite(traits(["9" * 5_000], 2_000)).all()
