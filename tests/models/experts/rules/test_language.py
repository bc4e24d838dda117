"""The language of rules: it means what simpleeval says of one event after the other, and nothing else gets in."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simpleeval import EvalWithCompoundTypes

from tocsin.models.data.features import category_code
from tocsin.models.experts.rules.clauses import FEW, fired, fired_by_columns
from tocsin.models.experts.rules.language import DEEPEST, RuleError, clause_of

NAMES = ["amount", "limit", "country", "home", "new", "card-type", "account.age", "feature"]
NOMINAL = [False, False, True, True, False, True, False, False]
PLACES = ["de", "fr", "5", "true"]
Event = dict[str, float | str | None]


def matrix(events: list[Event]) -> np.ndarray[Any, Any]:
    """The events as a model sees them: a category as its code, NaN for what is not known."""
    X = np.full((len(events), len(NAMES)), np.nan)
    for i, event in enumerate(events):
        for f, name in enumerate(NAMES):
            value = event.get(name)
            if value is not None:
                X[i, f] = float(category_code(value)) if isinstance(value, str) else value
    return X


def holds(text: str, *events: Event) -> list[bool]:
    clause, X = clause_of(text, NAMES, NOMINAL), matrix(list(events))
    found: list[bool] = fired((clause,), X)[:, 0].tolist()
    assert fired((clause,), np.repeat(X, FEW + 1, axis=0)).all(axis=1)[:: FEW + 1].tolist() == found
    return found


# The oracle: simpleeval's own evaluator asks one event after the other, where what is not known is None.

Op = Callable[[Any, Any], Any]


def comparing(plain: Op) -> Op:
    return lambda a, b: a is not None and b is not None and bool(plain(a, b))


def computing(plain: Op) -> Op:
    def computed(a: Any, b: Any) -> Any:
        if a is None or b is None or (plain in (operator.truediv, operator.mod) and b == 0):
            return None
        found = plain(float(a), float(b))
        return found if math.isfinite(found) else None

    return computed


def within(a: Any, b: Any) -> bool:
    return a is not None and a in b


OPERATORS: dict[type[ast.AST], Any] = {
    ast.Lt: comparing(operator.lt), ast.LtE: comparing(operator.le), ast.Gt: comparing(operator.gt),
    ast.GtE: comparing(operator.ge), ast.Eq: comparing(operator.eq), ast.NotEq: comparing(operator.ne),
    ast.Add: computing(operator.add), ast.Sub: computing(operator.sub), ast.Mult: computing(operator.mul),
    ast.Div: computing(operator.truediv), ast.Mod: computing(operator.mod), ast.Not: operator.not_,
    ast.USub: lambda a: None if a is None else -a, ast.In: within, ast.NotIn: lambda a, b: a is not None and a not in b,
    ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip


def by_simpleeval(text: str, event: Event) -> bool:
    names = {name: event.get(name) for name in NAMES} | {"None": None}
    return bool(EvalWithCompoundTypes(operators=OPERATORS, names=names).eval(text))


number = st.sampled_from(["amount", "limit", "new", "0", "1", "2.5", "7", "-3"])
computed = st.recursive(
    number, lambda inner: st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
)
ordering = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
place = st.sampled_from([f'"{p}"' for p in PLACES])
category = st.sampled_from(["country", "home"])
comparison = st.one_of(
    st.tuples(computed, ordering, computed).map(" ".join),
    st.tuples(number, ordering, number, ordering, number).map(" ".join),
    st.tuples(category, st.sampled_from(["==", "!="]), st.one_of(place, category)).map(" ".join),
    st.tuples(category, st.sampled_from(["in", "not in"]), place, place).map(
        lambda t: f"{t[0]} {t[1]} ({t[2]}, {t[3]})"
    ),
    st.tuples(st.one_of(category, computed), st.sampled_from(["is None", "is not None"])).map(" ".join),
    st.sampled_from(["new", "limit", "True", "False"]),
)
rules = st.recursive(
    comparison,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map(lambda t: f"({''.join(t)})"),
        inner.map(lambda c: f"not ({c})"),
    ),
    max_leaves=6,
)
events = st.fixed_dictionaries(
    {
        "amount": st.sampled_from([None, -3.0, 0.0, 1.0, 2.5, 7.0, 1e300]),
        "limit": st.sampled_from([None, 0.0, 1.0, 7.0]),
        "country": st.sampled_from([None, *PLACES]),
        "home": st.sampled_from([None, *PLACES]),
        "new": st.sampled_from([None, 0.0, 1.0]),
    }
)


@given(rules, st.lists(events, min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_both_ways_say_what_the_evaluator_of_the_library_says_of_each_event(text: str, some: list[Event]) -> None:
    found = clause_of(text, NAMES, NOMINAL)
    by_columns = fired_by_columns((found,), matrix(some))[:, 0].tolist()
    assert by_columns == [by_simpleeval(text, event) for event in some]
    assert by_columns == fired((found,), matrix(some))[:, 0].tolist()  # one event after the other


def test_what_is_not_known_makes_every_comparison_false_and_never_raises() -> None:
    gone: Event = {"limit": 5.0, "home": "de"}
    for text in ("amount < 5", "amount >= 5", "amount == limit", "amount != limit", "country != home"):
        assert holds(text, gone) == [False]
    for text in ('country == "de"', 'country in ["de"]', 'country not in ["de"]', "amount + limit > 0", "new"):
        assert holds(text, gone) == [False]
    assert holds("amount is None and limit is not None", gone) == [True]
    assert holds("not amount > 5", gone) == [True]  # plain logic: the comparison does not hold


def test_a_division_by_zero_is_not_known() -> None:
    event: Event = {"amount": 5.0, "limit": 0.0}
    assert holds("amount / limit > 1", event) == holds("amount / limit <= 1", event) == [False]
    assert holds("amount / limit is None", event) == [True]


def test_categories_are_compared_by_their_names() -> None:
    event: Event = {"country": "de", "home": "5", "card-type": "true", "account.age": 3.0, "feature": 1.0}
    assert holds('country == "de" and "de" == country and country != "fr"', event) == [True]
    assert holds("home == 5 and home == 5.0 and home in (4, 5)", event) == [True]  # as events name them
    assert holds('feature["card-type"] == True', event) == [True]
    assert holds("account.age == 3 and feature", event) == [True]
    assert holds("country != home", event) == [True]


def test_a_rule_may_go_over_lines_and_have_notes() -> None:
    assert holds("amount > 1  # large\n  and limit > 1", {"amount": 2.0, "limit": 1.0}) == [False]


REFUSED = {
    "amont > 1": ["'amont' is no feature", "did you mean 'amount'", 'the category "amont"', "in quotes"],
    "country == berlin": ["'berlin' is no feature", "they are amount", 'the category "berlin"', "in quotes"],
    "card-type == 5": ['feature["card-type"]'],
    'country > "de"': ["no order", "=="],
    "amount > country": ["country is a category and amount a number"],
    'amount > "5"': ["without quotes"],
    "country": ['country == "..."'],
    "country + 1 > 2": ["nothing can be computed"],
    "5": ["no condition"],
    "amount = 5": ["write == to compare"],
    "amount > 1 && new": ["write and for &&"],
    "amount > 1 || new": ["write or for ||"],
    "!new": ["write not for !"],
    "amount == None": ["amount is None"],
    "amount is 5": ["amount == 5"],
    "country in home": ['country in ["one", "other"]'],
    "country in []": ["no list"],
    "1e999 < amount": ["larger than any number"],
    "10" * 200 + " < amount": ["larger than any number"],
    "(amount > 1) + 2 > 3": ["is a condition"],
    "amount > 1; new": ["not understood"],
    "amount > 1)\n(new": ["not understood"],
    "": ["a rule has features"],
    "\0": ["not understood"],
}
NO_RULE = [
    "__import__('os').system('true')",
    "amount.__class__",
    "().__class__.__bases__[0].__subclasses__()",
    "(lambda: 1)()",
    "[x for x in country]",
    "f'{amount}' == country",
    "amount if new else limit",
    "amount ** 9 ** 9 ** 9 > 1",
    "amount << 9",
    "(x := 5) > 1",
    "feature['amount'](1)",
    "amount[0]",
    "b'x' == country",
    "1j > amount",
    "... is None",
]


@pytest.mark.parametrize("text", REFUSED, ids=[text[:20] for text in REFUSED])
def test_a_mistake_is_told_with_its_fix(text: str) -> None:
    with pytest.raises(RuleError) as caught:
        clause_of(text, NAMES, NOMINAL)
    assert [part for part in REFUSED[text] if part not in str(caught.value)] == []


@pytest.mark.parametrize("text", NO_RULE)
def test_nothing_of_python_but_comparisons_gets_into_a_rule(text: str) -> None:
    with pytest.raises(RuleError):
        clause_of(text, NAMES, NOMINAL)


DEEP = ["not " * 200 + "new", "-" * 900 + "1 < amount", "(" * 400, "0 < amount" + " + 1" * 200]


@pytest.mark.parametrize("text", DEEP, ids=["not", "minus", "brackets", "sum"])
def test_no_depth_ends_the_process(text: str) -> None:
    """Python's own recursion would have a bound somewhere; a rule has one of its own."""
    with pytest.raises(RuleError, match=f"{DEEPEST} levels|not understood"):
        clause_of(text, NAMES, NOMINAL)


def test_brackets_alone_are_no_depth() -> None:
    assert holds("(" * 150 + "new" + ")" * 150, {"new": 1.0}) == [True]
