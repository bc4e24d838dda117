"""SS3's vocabulary keeps its cap, whoever writes."""

from __future__ import annotations

import pytest

from tocsin.models.ss3.model import SS3

from ...memory import own_bytes

CAP, TOKENS, TEXT = 100_000, 10_000_000, 2_000
LETTERS = str.maketrans("0123456789", "ghijklmnop")  # SS3 takes all numbers for one word


def word(i: int) -> str:
    return f"{i:x}".translate(LETTERS)


@pytest.mark.proof
@pytest.mark.timeout(3_600)
def test_a_stream_of_ten_million_words_stays_under_the_cap() -> None:
    model = SS3(max_vocabulary=CAP, classes=("a", "b"))
    model.learn("warm up", "a")
    before, most = own_bytes(), 0
    for lo in range(0, TOKENS, TEXT):
        # Twice each, so that every one of them is admitted.
        model.learn(" ".join(f"{word(i)} {word(i)}" for i in range(lo, lo + TEXT)), "ab"[lo // TEXT % 2])
        assert len(model) <= CAP
        if lo % 1_000_000 == 0:
            most = max(most, own_bytes() - before)
    assert len(model) > CAP // 2
    most = max(most, own_bytes() - before)
    print(f"{most / 2**20:.0f} MiB")
    assert most < 100 * 2**20
    size = len(model)
    for lo in range(TOKENS, 2 * TOKENS, TEXT):  # once each: what waits for a second occurrence is bounded, too
        model.learn(" ".join(word(i) for i in range(lo, lo + TEXT)), "ab"[lo // TEXT % 2])
    print(f"{(own_bytes() - before) / 2**20:.0f} MiB")
    assert len(model) == size
    assert own_bytes() - before < 200 * 2**20
