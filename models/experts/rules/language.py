"""The language of rules: a condition on an event's features, written as in Python, read and checked but never run.

`simpleeval` parses a rule by Python's own grammar into a syntax tree. This module makes clauses of the parts that are
about numbers, categories and conditions, and refuses all others with a message that names the fix. So neither names of
Python's nor calls nor attributes of objects are within reach of a rule.
"""

from __future__ import annotations

import ast
import difflib
import math
import warnings
from collections.abc import Sequence

from simpleeval import InvalidExpression, SimpleEval

from tocsin.models.data.features import category_code
from tocsin.models.data.values import as_category
from tocsin.models.experts.rules.clauses import (
    Among,
    Clause,
    Column,
    Comparison,
    Computed,
    Every,
    Known,
    Literal,
    Not,
    NotZero,
    Operand,
    Some,
)

DEEPEST = 32
"""Levels of a rule's syntax tree."""
QUOTED = "feature"
"""`feature["card-type"]` is the feature whose name Python could not read."""
_SHOWN = 60
"""Characters of a part of a rule that a message shows."""
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_WHAT_THERE_IS = (
    "a rule has features, numbers, categories in quotes, + - * / %, < <= > >= == !=, in, is None, and, or, not"
)


class RuleError(ValueError):
    """A rule cannot be understood; the text says what is wrong with it and what to write instead."""


def clause_of(text: str, names: Sequence[str], nominal: Sequence[bool]) -> Clause:
    """The clause that a rule's text means, for columns of these names, of which `nominal` are categories.

    Raises RuleError.

    >>> import numpy as np
    >>> clause = clause_of("1000 < amount <= limit and not new", ["amount", "limit", "new"], [False] * 3)
    >>> clause.holds(np.array([[2000.0, 3000.0, 0.0], [2000.0, 3000.0, 1.0], [2000.0, np.nan, 0.0]])).tolist()
    [True, False, False]
    """
    tree = _parsed(text)
    _check_depth(tree)
    return _Reader(names, nominal).clause(tree)


def _parsed(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # two rules in one text, and unknown escapes in a quoted one, are warnings
        try:
            # Within brackets a rule may go on in the next line.
            statement = SimpleEval.parse(f"({text}\n)")
        except SyntaxError as error:
            raise RuleError(f"this is not understood ({error.msg}){_syntax_hint(text)}") from None
        except (Warning, InvalidExpression, ValueError, RecursionError, MemoryError):
            raise RuleError(f"this is not understood{_syntax_hint(text)}") from None
    if not isinstance(statement, ast.Expr):
        raise RuleError(f"this is not understood{_syntax_hint(text)}")
    return statement.value


def _syntax_hint(text: str) -> str:
    for written, meant in (("&&", "and"), ("||", "or"), ("<>", "!="), ("=>", ">="), ("=<", "<=")):
        if written in text:
            return f": write {meant} for {written}"
    bare = text
    for operator in ("==", "!=", "<=", ">="):
        bare = bare.replace(operator, "")
    if "=" in bare:
        return ": write == to compare"
    if "!" in bare:
        return ": write not for !"
    return f': {_WHAT_THERE_IS}; a feature of another spelling is written {QUOTED}["its name"]'


def _check_depth(tree: ast.expr) -> None:
    """Raises RuleError for a tree of too many levels. It goes level by level, since recursion has bounds of its own."""
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise RuleError(f"it is nested more than {DEEPEST} levels deep: make several rules of it")


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class _Reader:
    """Makes clauses of syntax trees, for the columns of one model."""

    def __init__(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        self._columns = {name: Column(i, bool(n)) for i, (name, n) in enumerate(zip(names, nominal, strict=True))}

    # Conditions

    def clause(self, node: ast.expr) -> Clause:
        """The clause that a part of a rule means. Raises RuleError where it is no condition."""
        if isinstance(node, ast.BoolOp):
            parts = tuple(self.clause(part) for part in node.values)
            return Every(parts) if isinstance(node.op, ast.And) else Some(parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return Not(self.clause(node.operand))
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            parts = tuple(self._comparison(*pair) for pair in zip(sides, node.ops, sides[1:], strict=False))
            return parts[0] if len(parts) == 1 else Every(parts)
        if isinstance(node, ast.Constant) and not isinstance(node.value, bool):
            raise RuleError(f"{_shown(node)} alone is no condition: compare a feature with it")
        operand = self._operand(node)
        if operand.category:
            raise RuleError(f'{_shown(node)} is a category, and alone no condition: write {_shown(node)} == "..."')
        return NotZero(operand)

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Clause:
        if isinstance(operator, ast.Is | ast.IsNot):
            return self._known(left, operator, right)
        if isinstance(operator, ast.In | ast.NotIn):
            return self._among(left, isinstance(operator, ast.In), right)
        for side, other in ((left, right), (right, left)):
            if isinstance(side, ast.Constant) and side.value is None:
                raise RuleError(f"what is not known equals nothing: write {_shown(other)} is None, or is not None")
        symbol = _COMPARISONS[type(operator)]
        if isinstance(left, ast.Constant) and not isinstance(right, ast.Constant):
            second = self._operand(right)
            first = self._like(left, second, right)
        else:
            first = self._operand(left)
            second = self._like(right, first, left)
        if first.category and symbol not in ("==", "!="):
            raise RuleError(f"{_shown(left)} {symbol} {_shown(right)}: categories have no order: write == or !=")
        return Comparison(symbol, first, second)

    def _like(self, node: ast.expr, other: Operand, other_node: ast.expr) -> Operand:
        """What is compared with `other`: of the same kind. Raises RuleError."""
        if isinstance(node, ast.Constant):
            return Literal(self._literal(node, other, other_node))
        operand = self._operand(node)
        if operand.category != other.category:
            category, number = (node, other_node) if operand.category else (other_node, node)
            raise RuleError(f"{_shown(category)} is a category and {_shown(number)} a number: they are never equal")
        return operand

    def _literal(self, node: ast.expr, other: Operand, other_node: ast.expr) -> float:
        """The number of a literal that is compared with `other`, or the code of the category that it names."""
        value = node.value if isinstance(node, ast.Constant) else None
        if other.category and isinstance(value, str | int | float):
            return float(category_code(as_category(_shown(other_node), value)))
        if isinstance(value, str):
            raise RuleError(f"{_shown(other_node)} is a number and {_shown(node)} a text: write it without quotes")
        return self._number(node)

    def _known(self, left: ast.expr, operator: ast.Is | ast.IsNot, right: ast.expr) -> Clause:
        if not (isinstance(right, ast.Constant) and right.value is None):
            raise RuleError(f"`is` goes with None alone: write {_shown(left)} == {_shown(right)}")
        return Known(self._operand(left), isinstance(operator, ast.IsNot))

    def _among(self, left: ast.expr, inside: bool, right: ast.expr) -> Clause:
        operand = self._operand(left)
        if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
            raise RuleError(f'{_shown(right)} is no list: write {_shown(left)} in ["one", "other"]')
        return Among(operand, tuple(self._literal(one, operand, left) for one in right.elts), inside)

    # Numbers and categories

    def _operand(self, node: ast.expr) -> Operand:
        """What has a number for each event. Raises RuleError."""
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return self._column(node)
        if isinstance(node, ast.Constant):
            return Literal(self._number(node))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return Computed("-", Literal(0.0), self._numeric(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            return Computed(_ARITHMETIC[type(node.op)], self._numeric(node.left), self._numeric(node.right))
        if isinstance(node, ast.Compare | ast.BoolOp) or (isinstance(node, ast.UnaryOp) and type(node.op) is ast.Not):
            raise RuleError(f"{_shown(node)} is a condition, where a number or a category is expected")
        raise RuleError(f"{_shown(node)} is not part of the language: {_WHAT_THERE_IS}")

    def _numeric(self, node: ast.expr) -> Operand:
        operand = self._operand(node)
        if operand.category:
            raise RuleError(f"{_shown(node)} is a category, with which nothing can be computed")
        return operand

    def _number(self, node: ast.expr) -> float:
        """The number that a literal is. Raises RuleError where it is none."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return -self._number(node.operand)
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str):
            raise RuleError(f"{_shown(node)} is a text: only a feature that is a category is compared with one")
        if not isinstance(value, bool | int | float):
            raise RuleError(f"{_shown(node)} is no number and no category: {_WHAT_THERE_IS}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isinf(number):
            raise RuleError(f"{_shown(node)} is larger than any number that a feature can be")
        return number

    def _column(self, node: ast.Name | ast.Attribute | ast.Subscript) -> Column:
        name = self._name(node)
        if name in self._columns:
            return self._columns[name]
        raise RuleError(f"{name!r} is no feature of `schema.features`{self._nearest(name)}")

    def _name(self, node: ast.expr) -> str:
        """The name of the feature that a part of a rule is, with its dots."""
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Attribute):
            return f"{self._name(node.value)}.{node.attr}"
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == QUOTED:
            name = node.slice.value if isinstance(node.slice, ast.Constant) else None
            if isinstance(name, str):
                return name
        raise RuleError(f'{_shown(node)} is no feature: write its name, or {QUOTED}["its name"]')

    def _nearest(self, name: str) -> str:
        """What was perhaps meant by a name that no feature has."""
        for known in self._columns:
            if known.startswith(name) and not all(part.isidentifier() for part in known.split(".")):
                return f'; did you mean {QUOTED}["{known}"]?'
        close = difflib.get_close_matches(name, self._columns, n=1, cutoff=0.6)
        meant = f"did you mean {close[0]!r}" if close else f"they are {', '.join(list(self._columns)[:20])}"
        return f'; {meant}, or the category "{name}", which is written in quotes?'
