"""Eight float64 that are worked on at once: a SIMD vector as a numba type.

LLVM does not turn a loop over a few lanes into vectors where the loop's arrays might overlap, and numba has no way to
promise that they do not. So kernels that treat eight events at once say so: a `Lanes` value lives in one AVX-512
register, two AVX2 ones or four NEON ones, and every lane is computed by the same IEEE operations in the same order
whatever the machine. Values are loaded from and stored to addresses; see `tocsin.kernels.hoeffding.at` for why kernels
pass addresses.

Only compiled code may call what is here.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.extending import intrinsic, lower_builtin, models, register_model
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature

WIDTH = 8
"""Lanes."""
BYTES = 8 * WIDTH

_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, WIDTH)
_MASK = ir.VectorType(ir.IntType(1), WIDTH)
_INDEX = ir.IntType(32)


class LanesType(types.Type):  # type: ignore[misc]
    """The type of eight float64."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


class MaskType(types.Type):  # type: ignore[misc]
    """The type of eight truths."""

    def __init__(self) -> None:
        super().__init__(name="LanesMask")


LANES, MASK = LanesType(), MaskType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _MASK)


# ------------------------------------------------------------ operators


def _operator(function: Any, result: types.Type, build: Any) -> None:
    """Give a Python operator its meaning for two `Lanes`."""

    @infer_global(function)
    class _Template(ConcreteTemplate):  # type: ignore[misc]
        cases = (signature(result, LANES, LANES),)

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return build(builder, *args)

    lower_builtin(function, LANES, LANES)(lower)


_operator(operator.add, LANES, lambda b, x, y: b.fadd(x, y))
_operator(operator.sub, LANES, lambda b, x, y: b.fsub(x, y))
_operator(operator.mul, LANES, lambda b, x, y: b.fmul(x, y))
_operator(operator.truediv, LANES, lambda b, x, y: b.fdiv(x, y))
_operator(operator.gt, MASK, lambda b, x, y: b.fcmp_ordered(">", x, y))
_operator(operator.ge, MASK, lambda b, x, y: b.fcmp_ordered(">=", x, y))


# ------------------------------------------------------------ functions


def _define(result: types.Type, arguments: tuple[types.Type, ...], build: Any) -> Any:
    """An intrinsic of fixed types, whose code `build(builder, *args)` writes."""

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return build(builder, *args)

    # numba wants to know the number of arguments from the function itself.
    if len(arguments) == 1:

        def typed(typingctx: Any, a: Any) -> Any:
            return result(*arguments), lower

    elif len(arguments) == 2:

        def typed(typingctx: Any, a: Any, b: Any) -> Any:  # type: ignore[misc]
            return result(*arguments), lower

    else:

        def typed(typingctx: Any, a: Any, b: Any, c: Any) -> Any:  # type: ignore[misc]
            return result(*arguments), lower

    return intrinsic(typed)


def _broadcast(builder: Any, value: Any) -> Any:
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_INDEX, WIDTH), [0] * WIDTH))


def _at(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _load(builder: Any, address: Any) -> Any:
    return builder.load(_at(builder, address, _VECTOR), align=8)


def _store(builder: Any, address: Any, value: Any) -> Any:
    builder.store(value, _at(builder, address, _VECTOR), align=8)


def _call(builder: Any, name: str, *args: Any) -> Any:
    kinds = [a.type for a in args]
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, kinds), name)
    return builder.call(function, args)


def _larger(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", x, y), x, y)


def _smaller(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", x, y), x, y)


def _any(builder: Any, mask: Any) -> Any:
    bits = builder.bitcast(mask, ir.IntType(WIDTH))
    return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(WIDTH), 0))


spread = _define(LANES, (types.float64,), _broadcast)
"""One number in all lanes."""
load = _define(LANES, (types.int64,), _load)
"""The eight float64 at an address."""
store = _define(types.void, (types.int64, LANES), lambda b, a, v: _store(b, a, v))
"""Eight float64 to an address."""
fused = _define(LANES, (LANES, LANES, LANES), lambda b, x, y, z: _call(b, "llvm.fma.v8f64", x, y, z))
"""x * y + z, rounded once, on every machine."""
larger = _define(LANES, (LANES, LANES), _larger)
"""The larger of each pair; the second where one is not a number."""
smaller = _define(LANES, (LANES, LANES), _smaller)
"""The smaller of each pair; the second where one is not a number."""
either = _define(MASK, (MASK, MASK), lambda b, x, y: b.or_(x, y))
both = _define(MASK, (MASK, MASK), lambda b, x, y: b.and_(x, y))
neither = _define(MASK, (MASK,), lambda b, x: b.not_(x))
"""True where it was false."""
choose = _define(LANES, (MASK, LANES, LANES), lambda b, m, x, y: b.select(m, x, y))
"""The first where the mask is true, the second elsewhere."""
some = _define(types.boolean, (MASK,), _any)
"""Whether the mask is true anywhere."""


# ------------------------------------------------------------ rows to lanes


def _element(rows: Any) -> Any:
    return ir.FloatType() if rows.dtype == types.float32 else _DOUBLE


def _number(builder: Any, addresses: Any, offset: Any, lane: int, kind: Any, align: int) -> Any:
    place = builder.add(addresses, ir.Constant(addresses.type, 8 * lane))
    row = builder.load(_at(builder, place, addresses.type))
    return builder.load(_at(builder, builder.add(row, offset), kind), align=align)


def _concatenated(builder: Any, parts: list[Any]) -> Any:
    while len(parts) > 1:
        wide = 2 * parts[0].type.count
        mask = ir.Constant(ir.VectorType(_INDEX, wide), list(range(wide)))
        parts = [builder.shuffle_vector(parts[i], parts[i + 1], mask) for i in range(0, len(parts), 2)]
    return parts[0]


def _picked(builder: Any, vector: Any, places: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_INDEX, len(places)), places)
    return builder.shuffle_vector(vector, vector, mask)


def _gather_pair(typingctx: Any, addresses: Any, offset: Any, like: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, align = ir.VectorType(_element(like), 2), like.dtype.bitwidth // 8
        pairs = [_number(builder, args[0], args[1], lane, kind, align) for lane in range(WIDTH)]
        flat = _concatenated(builder, pairs)
        columns = [_picked(builder, flat, [2 * lane + i for lane in range(WIDTH)]) for i in range(2)]
        if like.dtype == types.float32:
            columns = [builder.fpext(column, _VECTOR) for column in columns]
        return context.make_tuple(builder, signature.return_type, columns)

    return types.UniTuple(LANES, 2)(types.int64, types.int64, like), build


def _gather_one(typingctx: Any, addresses: Any, offset: Any, like: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element, align = _element(like), like.dtype.bitwidth // 8
        vector = ir.Constant(ir.VectorType(element, WIDTH), ir.Undefined)
        for lane in range(WIDTH):
            number = _number(builder, args[0], args[1], lane, element, align)
            vector = builder.insert_element(vector, number, ir.Constant(_INDEX, lane))
        return builder.fpext(vector, _VECTOR) if like.dtype == types.float32 else vector

    return LANES(types.int64, types.int64, like), build


gather_pair = intrinsic(_gather_pair)
"""Two neighbouring numbers of eight rows, as two `Lanes`.

Arguments: the address of the rows' eight addresses, the numbers' offset in a row in bytes, and any array of the rows'
dtype (float32 or float64). Pairs are loaded whole and taken apart, with a fourth of the shuffles of single loads.
"""
gather_one = intrinsic(_gather_one)
"""One number of eight rows, as `Lanes`; arguments as `gather_pair`."""
