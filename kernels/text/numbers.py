"""Numbers in a text: where they end, and the markers that pyss3 puts in their place."""

from __future__ import annotations

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.letters import (
    BACKSLASH,
    BLANK,
    COMMA,
    DIGIT,
    DOLLAR,
    DROP,
    LETTER,
    MINUS,
    PERCENT,
    SLASH,
    SPACE,
    STOP,
    Codes,
    Flags,
)


@kernel
def _number(text: Codes, i: int, n: int, flags: Flags) -> int:
    """Where a number that begins at i ends; i where none does."""
    j = i
    while j < n and flags[text[j]] & DIGIT:
        j += 1
    if j > i and j + 1 < n and (text[j] == STOP or text[j] == COMMA) and flags[text[j + 1]] & DIGIT:
        j += 1
        while j < n and flags[text[j]] & DIGIT:
            j += 1
    return j


@kernel
def spaces(text: Codes, i: int, n: int, flags: Flags) -> int:
    """Where white space that begins at i ends."""
    while i < n and flags[text[i]] & SPACE:
        i += 1
    return i


@kernel
def _temperature(text: Codes, i: int, n: int, flags: Flags) -> int:
    j = _number(text, i, n, flags)
    if j == i:
        return i
    j = spaces(text, j, n, flags)
    if j + 1 >= n or flags[text[j + 1]] & LETTER:
        return i
    c = text[j]
    return j + 1 if c == 67 or c == 99 or c == 70 or c == 102 else i


@kernel
def _date(text: Codes, i: int, n: int, flags: Flags) -> int:
    start = i
    for part in range(3):
        j = _number(text, i, n, flags)
        if j == i:
            return start
        i = j
        if part < 2:
            if i >= n or (text[i] != MINUS and text[i] != SLASH and text[i] != BACKSLASH):
                return start
            i += 1
    return i


@kernel
def _money(text: Codes, i: int, n: int, flags: Flags) -> int:
    if text[i] != DOLLAR:
        return i
    j = spaces(text, i + 1, n, flags)
    k = _number(text, j, n, flags)
    return k if k > j else i


@kernel
def _percent(text: Codes, i: int, n: int, flags: Flags) -> int:
    j = _number(text, i, n, flags)
    if j == i:
        return i
    j = spaces(text, j, n, flags)
    return j + 1 if j < n and text[j] == PERCENT else i


@kernel
def _mark(kind: int, text: Codes, n: int, flags: Flags, out: Codes) -> int:
    """One substitution over a text: what is of this kind becomes its marker. Returns the new length."""
    i = 0
    m = 0
    while i < n:
        if kind == 0:
            j = _temperature(text, i, n, flags)
        elif kind == 1:
            j = _date(text, i, n, flags)
        elif kind == 2:
            j = _money(text, i, n, flags)
        elif kind == 3:
            j = _percent(text, i, n, flags)
        else:
            j = _number(text, i, n, flags)
        if j > i:
            if kind == 2:
                out[m] = 109
                m += 1
            out[m], out[m + 1], out[m + 2], out[m + 3], out[m + 4] = 110, 110, 98, 114, 114
            m += 5
            if kind == 0 or kind == 1 or kind == 3:
                out[m] = 116 if kind == 0 else (100 if kind == 1 else 112)
                m += 1
            i = j
            continue
        digits = flags[text[i]] & DIGIT
        out[m] = text[i]
        m += 1
        i += 1
        while digits and i < n and flags[text[i]] & DIGIT:
            out[m] = text[i]
            m += 1
            i += 1
    return m


@kernel
def prepare(text: Codes, lo: int, hi: int, flags: Flags, a: Codes, b: Codes) -> tuple[int, bool]:
    """A piece of text with its numbers marked: its length, and whether it is in `b` rather than in `a`.

    Only the substitutions that something in the piece calls for are made.
    """
    n = 0
    last = 0
    dash, money, percent, temperature = False, False, False, False
    for i in range(lo, hi):
        c = text[i]
        f = flags[c]
        if f & DROP:
            continue
        a[n] = c
        n += 1
        if last & DIGIT and (c == 67 or c == 99 or c == 70 or c == 102):
            temperature = True
        dash = dash or c in (MINUS, SLASH, BACKSLASH)
        money = money or c == DOLLAR
        percent = percent or c == PERCENT
        if not f & SPACE:
            last = f
    a[n] = BLANK
    n += 1
    second = False
    for kind in range(5):
        if (temperature, dash, money, percent, True)[kind]:
            n = _mark(kind, b, n, flags, a) if second else _mark(kind, a, n, flags, b)
            second = not second
    return n, second


@kernel
def plain(text: Codes, lo: int, i: int, hi: int, flags: Flags) -> int:
    """Where a whole ASCII number at i ends; -1 where what is around it may make it something else."""
    back = i - 1
    if back >= lo:
        c = text[back]
        if c in (MINUS, SLASH, BACKSLASH):
            return -1
        while back >= lo and flags[text[back]] & SPACE:
            back -= 1
        if back >= lo and (text[back] == DOLLAR or flags[text[back]] & DROP):
            return -1
    while i < hi and flags[text[i]] & DIGIT:
        if text[i] > 127:
            return -1
        i += 1
    end = i
    if i < hi:
        c = text[i]
        if c in (MINUS, SLASH, BACKSLASH):
            return -1
        if (c in (STOP, COMMA)) and i + 1 < hi and flags[text[i + 1]] & (DIGIT | DROP):
            return -1
        i = spaces(text, i, hi, flags)
        if i < hi:
            c = text[i]
            if c == 67 or c == 99 or c == 70 or c == 102 or c == PERCENT or flags[c] & DROP:
                return -1
    return end
