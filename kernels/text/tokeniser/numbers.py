"""Numbers in a text: where they end, and the markers that pyss3 puts in their place.

pyss3 replaces a temperature by `nnbrrt`, a date by `nnbrrd`, an amount of money by `mnnbrr`, a percentage by `nnbrrp`
and any other number by `nnbrr`, one kind after the other.
"""

from __future__ import annotations

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.tokeniser.characters import (
    BACKSLASH,
    BLANK,
    COMMA,
    DIGIT,
    DOLLAR,
    DROP,
    LETTER,
    LOWER_C,
    LOWER_F,
    MINUS,
    PERCENT,
    SLASH,
    SPACE,
    STOP,
    UPPER_C,
    UPPER_F,
    Codes,
    Flags,
)

TEMPERATURE, DATE, MONEY, PERCENTAGE, NUMBER = range(5)
"""The kinds of numbers, in the order in which they are replaced."""


@kernel
def end_of_number(text: Codes, i: int, n: int, flags: Flags) -> int:
    """Where a number that begins at i ends; i where none begins there."""
    j = i
    while j < n and flags[text[j]] & DIGIT:
        j += 1
    if j > i and j + 1 < n and (text[j] == STOP or text[j] == COMMA) and flags[text[j + 1]] & DIGIT:
        j += 1
        while j < n and flags[text[j]] & DIGIT:
            j += 1
    return j


@kernel
def end_of_spaces(text: Codes, i: int, n: int, flags: Flags) -> int:
    """Where white space that begins at i ends."""
    while i < n and flags[text[i]] & SPACE:
        i += 1
    return i


@kernel
def is_degree(c: int) -> bool:
    """Whether a character stands for Celsius or Fahrenheit."""
    return c in (UPPER_C, LOWER_C, UPPER_F, LOWER_F)


@kernel
def end_of_temperature(text: Codes, i: int, n: int, flags: Flags) -> int:
    """Where a temperature that begins at i ends; i where none begins there."""
    j = end_of_number(text, i, n, flags)
    if j == i:
        return i
    j = end_of_spaces(text, j, n, flags)
    if j + 1 >= n or flags[text[j + 1]] & LETTER:
        return i
    return j + 1 if is_degree(text[j]) else i


@kernel
def end_of_date(text: Codes, i: int, n: int, flags: Flags) -> int:
    """Where a date (three numbers apart by dashes or slashes) that begins at i ends; i where none begins there."""
    start = i
    for part in range(3):
        j = end_of_number(text, i, n, flags)
        if j == i:
            return start
        i = j
        if part < 2:
            if i >= n or (text[i] != MINUS and text[i] != SLASH and text[i] != BACKSLASH):
                return start
            i += 1
    return i


@kernel
def end_of_money(text: Codes, i: int, n: int, flags: Flags) -> int:
    """Where an amount of dollars that begins at i ends; i where none begins there."""
    if text[i] != DOLLAR:
        return i
    j = end_of_spaces(text, i + 1, n, flags)
    k = end_of_number(text, j, n, flags)
    return k if k > j else i


@kernel
def end_of_percentage(text: Codes, i: int, n: int, flags: Flags) -> int:
    """Where a percentage that begins at i ends; i where none begins there."""
    j = end_of_number(text, i, n, flags)
    if j == i:
        return i
    j = end_of_spaces(text, j, n, flags)
    return j + 1 if j < n and text[j] == PERCENT else i


@kernel
def replace_numbers(kind: int, text: Codes, n: int, flags: Flags, out: Codes) -> int:
    """Copy a text of n code points to `out` with the numbers of one kind replaced by its marker; returns the length."""
    i = 0
    m = 0
    while i < n:
        if kind == TEMPERATURE:
            j = end_of_temperature(text, i, n, flags)
        elif kind == DATE:
            j = end_of_date(text, i, n, flags)
        elif kind == MONEY:
            j = end_of_money(text, i, n, flags)
        elif kind == PERCENTAGE:
            j = end_of_percentage(text, i, n, flags)
        else:
            j = end_of_number(text, i, n, flags)
        if j > i:
            if kind == MONEY:
                out[m] = 109
                m += 1
            out[m], out[m + 1], out[m + 2], out[m + 3], out[m + 4] = 110, 110, 98, 114, 114
            m += 5
            if kind in (TEMPERATURE, DATE, PERCENTAGE):
                out[m] = 116 if kind == TEMPERATURE else (100 if kind == DATE else 112)
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
def mark_numbers(text: Codes, lo: int, hi: int, flags: Flags, a: Codes, b: Codes) -> tuple[int, bool]:
    """Write a piece of text with its numbers replaced to `a` or `b`; returns its length, and whether it is in `b`.

    Only the kinds of numbers that some character of the piece calls for are looked for. `a` and `b` have 6 code points
    for each of the piece's, and 8 more.
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
        if last & DIGIT and is_degree(c):
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
            n = replace_numbers(kind, b, n, flags, a) if second else replace_numbers(kind, a, n, flags, b)
            second = not second
    return n, second


@kernel
def end_of_plain_number(text: Codes, lo: int, i: int, hi: int, flags: Flags) -> int:
    """Where a whole number of ASCII digits at i ends; -1 where what stands around it may make it something else."""
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
        i = end_of_spaces(text, i, hi, flags)
        if i < hi and (is_degree(text[i]) or text[i] == PERCENT or flags[text[i]] & DROP):
            return -1
    return end
