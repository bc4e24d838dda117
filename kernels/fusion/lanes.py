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
_BITS = ir.VectorType(ir.IntType(64), WIDTH)
_INDEX = ir.IntType(32)


class LanesType(types.Type):
    """The type of eight float64."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


class MaskType(types.Type):
    """The type of eight truths."""

    def __init__(self) -> None:
        super().__init__(name="LanesMask")


LANES, MASK = LanesType(), MaskType()
ROWS = types.UniTuple(types.int64, WIDTH)
"""The addresses of eight rows."""


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _MASK)


# ------------------------------------------------------------ operators


def _operator(function: Any, result: types.Type, build: Any) -> None:
    """Give a Python operator its meaning for two `Lanes`."""

    @infer_global(function)
    class _Template(ConcreteTemplate):
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

    # numba takes the number of arguments from the function itself.
    def of_one(typingctx: Any, a: Any) -> Any:
        return result(*arguments), lower

    def of_two(typingctx: Any, a: Any, b: Any) -> Any:
        return result(*arguments), lower

    def of_three(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
        return result(*arguments), lower

    return intrinsic((of_one, of_two, of_three)[len(arguments) - 1])


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


def _prefetch(builder: Any, address: Any) -> None:
    pointer = ir.IntType(8).as_pointer()
    kinds = [pointer, _INDEX, _INDEX, _INDEX]
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0")
    hints = [ir.Constant(_INDEX, value) for value in (0, 3, 1)]  # to read, to keep, data
    builder.call(function, [builder.inttoptr(address, pointer), *hints])


def _larger(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", x, y), x, y)


def _smaller(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", x, y), x, y)


def _bits(builder: Any, x: Any) -> Any:
    return builder.bitcast(x, _BITS)


def _joined(builder: Any, x: Any, y: Any) -> Any:
    return builder.bitcast(builder.or_(_bits(builder, x), _bits(builder, y)), _VECTOR)


def _signed(builder: Any, x: Any) -> Any:
    return builder.icmp_signed("<", _bits(builder, x), ir.Constant(_BITS, [0] * WIDTH))


def _before(builder: Any, x: Any, y: Any) -> Any:
    return builder.icmp_unsigned("<", _bits(builder, x), _bits(builder, y))


def _extreme(builder: Any, name: str, x: Any, y: Any) -> Any:
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_BITS, [_BITS, _BITS]), name)
    return builder.bitcast(builder.call(function, [_bits(builder, x), _bits(builder, y)]), _VECTOR)


def _crossed(builder: Any, mask: Any, x: Any, y: Any) -> Any:
    apart = builder.xor(_bits(builder, x), _bits(builder, y))
    taken = builder.select(mask, apart, ir.Constant(_BITS, [0] * WIDTH))
    return builder.bitcast(builder.xor(_bits(builder, x), taken), _VECTOR)


def _moved(builder: Any, x: Any, by: Any) -> Any:
    first = builder.insert_element(ir.Constant(_BITS, ir.Undefined), by, ir.Constant(_INDEX, 0))
    steps = builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_INDEX, WIDTH), [0] * WIDTH))
    return builder.bitcast(builder.add(_bits(builder, x), steps), _VECTOR)


def _whole(builder: Any, x: Any) -> Any:
    return builder.bitcast(builder.fptosi(x, _BITS), _VECTOR)


def _packed(builder: Any, rows: Any) -> Any:
    vector = ir.Constant(_BITS, ir.Undefined)
    for lane in range(WIDTH):
        vector = builder.insert_element(vector, builder.extract_value(rows, lane), ir.Constant(_INDEX, lane))
    return builder.bitcast(vector, _VECTOR)


def _any(builder: Any, mask: Any) -> Any:
    bits = builder.bitcast(mask, ir.IntType(WIDTH))
    return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(WIDTH), 0))


spread = _define(LANES, (types.float64,), _broadcast)
"""One number in all lanes."""
load = _define(LANES, (types.int64,), _load)
"""The eight float64 at an address."""
store = _define(types.void, (types.int64, LANES), lambda b, a, v: _store(b, a, v))
"""Eight float64 to an address."""
prefetch = _define(types.void, (types.int64,), lambda b, a: _prefetch(b, a))
"""Have the 64 bytes at an address brought near; it may lie outside of any array."""
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
joined = _define(LANES, (LANES, LANES), _joined)
"""The bits of either; its sign says whether one of the two has one."""
signed = _define(MASK, (LANES,), _signed)
"""Where the sign bit stands, that of -0.0 and of a NaN too."""
whole = _define(LANES, (LANES,), _whole)
"""Numbers as the bits of int64, to be stored."""
packed = _define(LANES, (ROWS,), _packed)
"""Eight addresses as the bits of `Lanes`, to be moved, chosen and stored, never to be calculated with."""
moved = _define(LANES, (LANES, types.int64), _moved)
"""`packed` addresses, so many bytes on."""
before = _define(MASK, (LANES, LANES), _before)
"""Where the first of two `packed` addresses is the lower."""
same = _define(MASK, (LANES, LANES), lambda b, x, y: b.icmp_unsigned("==", _bits(b, x), _bits(b, y)))
"""Where all bits are the same."""
upper = _define(LANES, (LANES, LANES), lambda b, x, y: _extreme(b, "llvm.umax.v8i64", x, y))
"""The upper of each pair of bits, which is the larger of numbers that bear no sign."""
lower = _define(LANES, (LANES, LANES), lambda b, x, y: _extreme(b, "llvm.umin.v8i64", x, y))
"""The lower of each pair of bits."""
crossed = _define(LANES, (MASK, LANES, LANES), _crossed)
"""The second where the mask is true, the first elsewhere. Where what is chosen goes back to where it was loaded from,
LLVM would make a masked store of `choose`, and the next load would have to wait until that has reached the cache.
"""
some = _define(types.boolean, (MASK,), _any)
"""Whether the mask is true anywhere."""


# ------------------------------------------------------------ rows to lanes


def _element(rows: Any) -> Any:
    return ir.FloatType() if rows == types.float32 else _DOUBLE


def _widened(builder: Any, rows: Any, vector: Any) -> Any:
    return builder.fpext(vector, _VECTOR) if rows == types.float32 else vector


def _numbers(builder: Any, places: Any, offset: Any, kind: Any, align: int) -> list[Any]:
    """What stands `offset` bytes behind each of eight addresses, as `kind`."""
    rows = [builder.extract_value(places, lane) for lane in range(WIDTH)]
    return [builder.load(_at(builder, builder.add(row, offset), kind), align=align) for row in rows]


def _concatenated(builder: Any, parts: list[Any]) -> Any:
    while len(parts) > 1:
        wide = 2 * parts[0].type.count
        mask = ir.Constant(ir.VectorType(_INDEX, wide), list(range(wide)))
        parts = [builder.shuffle_vector(parts[i], parts[i + 1], mask) for i in range(0, len(parts), 2)]
    return parts[0]


def _picked(builder: Any, vector: Any, places: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_INDEX, len(places)), places)
    return builder.shuffle_vector(vector, vector, mask)


def _rows(typingctx: Any, addresses: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = _at(builder, args[0], args[0].type)
        rows = [builder.load(builder.gep(start, [ir.Constant(_INDEX, lane)])) for lane in range(WIDTH)]
        return context.make_tuple(builder, signature.return_type, rows)

    return ROWS(types.int64), build


def _gather_pair(typingctx: Any, rows: Any, offset: Any, like: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, align = ir.VectorType(_element(like), 2), like.bitwidth // 8
        flat = _concatenated(builder, _numbers(builder, args[0], args[1], kind, align))
        columns = [_picked(builder, flat, [2 * lane + i for lane in range(WIDTH)]) for i in range(2)]
        return context.make_tuple(builder, signature.return_type, [_widened(builder, like, c) for c in columns])

    return types.UniTuple(LANES, 2)(ROWS, types.int64, like), build


def _gather_one(typingctx: Any, rows: Any, offset: Any, like: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.Constant(ir.VectorType(_element(like), WIDTH), ir.Undefined)
        for lane, number in enumerate(_numbers(builder, args[0], args[1], _element(like), like.bitwidth // 8)):
            vector = builder.insert_element(vector, number, ir.Constant(_INDEX, lane))
        return _widened(builder, like, vector)

    return LANES(ROWS, types.int64, like), build


def _gather_four(typingctx: Any, rows: Any, offset: Any, like: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, align = ir.VectorType(_element(like), 4), like.bitwidth // 8
        parts = _numbers(builder, args[0], args[1], kind, align)
        # Rows 0 and 4, 1 and 5, ...: then even columns and odd ones, then columns.
        wide = [_concatenated(builder, [parts[i], parts[i + 4]]) for i in range(4)]
        low = [_merged(builder, wide[0], wide[1], i) for i in (0, 2)]
        high = [_merged(builder, wide[2], wide[3], i) for i in (0, 2)]
        columns = [_woven(builder, low[i // 2], high[i // 2], i % 2) for i in range(4)]
        return context.make_tuple(builder, signature.return_type, [_widened(builder, like, c) for c in columns])

    return types.UniTuple(LANES, 4)(ROWS, types.int64, like), build


def _merged(builder: Any, one: Any, other: Any, column: int) -> Any:
    """Of two vectors of two rows of four: columns `column` and the next, as r0 r1 | r0 r1 in each half."""
    half = [column, 8 + column, column + 1, 8 + column + 1]
    mask = ir.Constant(ir.VectorType(_INDEX, 8), half + [4 + i for i in half])
    return builder.shuffle_vector(one, other, mask)


def _woven(builder: Any, low: Any, high: Any, second: int) -> Any:
    """Of rows (0, 1 | 4, 5) and (2, 3 | 6, 7) of two columns: one column, rows in order."""
    first = 2 * second
    places = [first, first + 1, 8 + first, 8 + first + 1, 4 + first, 4 + first + 1, 12 + first, 12 + first + 1]
    return builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_INDEX, 8), places))


def _size(typingctx: Any, like: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(ir.IntType(64), like.bitwidth // 8)

    return types.int64(like), build


def _scatter_pair(typingctx: Any, rows: Any, offset: Any, x: Any, y: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.VectorType(_DOUBLE, 2)
        for lane in range(WIDTH):
            mask = ir.Constant(ir.VectorType(_INDEX, 2), [lane, WIDTH + lane])
            row = builder.add(builder.extract_value(args[0], lane), args[1])
            builder.store(builder.shuffle_vector(args[2], args[3], mask), _at(builder, row, kind), align=8)

    return types.void(ROWS, types.int64, LANES, LANES), build


size: Any = intrinsic(_size)
"""Bytes of a number of this type."""
rows: Any = intrinsic(_rows)
"""The eight int64 at an address, as ROWS."""
gather_pair: Any = intrinsic(_gather_pair)
"""Two neighbouring numbers of eight rows, as two `Lanes`.

Arguments: the rows, the numbers' offset in a row in bytes, and any array of the rows' dtype (float32 or float64). Pairs
are loaded whole and taken apart, with a fourth of the shuffles of single loads.
"""
gather_four: Any = intrinsic(_gather_four)
"""Four neighbouring numbers of eight rows, as four `Lanes`; arguments as `gather_pair`."""
gather_one: Any = intrinsic(_gather_one)
"""One number of eight rows, as `Lanes`; arguments as `gather_pair`."""
scatter_pair: Any = intrinsic(_scatter_pair)
"""The reverse of `gather_pair`, float64: two `Lanes` to an offset in eight rows."""
