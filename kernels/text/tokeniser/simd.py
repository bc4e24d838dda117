"""Intrinsics on blocks of 64 bytes: comparisons of a whole block that give one bit for each byte.

LLVM turns the vectors into whatever the machine has. Only compiled code may call these functions, and the caller makes
sure that `BLOCK` bytes can be read from the address on.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.extending import intrinsic

BLOCK = 64
"""How many bytes are compared at once."""

_BYTE, _BITS = ir.IntType(8), ir.IntType(64)
_VECTOR = ir.VectorType(_BYTE, BLOCK)


def _all(value: int) -> Any:
    return ir.Constant(_VECTOR, [value] * BLOCK)


def _load(builder: Any, address: Any, kind: Any) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


def _from(builder: Any, letters: Any, first: str, many: int) -> Any:
    """Which letters are among `many` characters from the first one on."""
    return builder.icmp_unsigned("<", builder.sub(letters, _all(ord(first))), _all(many))


def _words_in(typingctx: Any, address: Any) -> Any:
    """One bit for each byte, set where it is a letter, digit, underscore or apostrophe."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        letters = _load(builder, args[0], _VECTOR)
        found = _from(builder, builder.or_(letters, _all(0x20)), "a", 26)
        for first, many in (("0", 10), ("_", 1), ("'", 1)):
            found = builder.or_(found, _from(builder, letters, first, many))
        return builder.bitcast(found, _BITS)

    return types.uint64(types.int64), build


def _are(typingctx: Any, address: Any, letter: Any) -> Any:
    """One bit for each byte, set where it is the given one."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[1], ir.Constant(ir.IntType(32), 0))
        same = builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), [0] * BLOCK))
        return builder.bitcast(builder.icmp_unsigned("==", _load(builder, args[0], _VECTOR), same), _BITS)

    return types.uint64(types.int64, types.uint8), build


def _lower(typingctx: Any, address: Any, into: Any) -> Any:
    """Write a block in lower case to another address."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        letters = _load(builder, args[0], _VECTOR)
        large = builder.select(_from(builder, letters, "A", 26), _all(0x20), _all(0))
        low = builder.or_(letters, large)
        builder.store(low, builder.inttoptr(args[1], _VECTOR.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), build


def _eight(typingctx: Any, address: Any) -> Any:
    """Eight bytes as one number, the first byte lowest."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(builder, args[0], _BITS)

    return types.uint64(types.int64), build


def _byte(typingctx: Any, address: Any) -> Any:
    """One byte as a number."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(_load(builder, args[0], _BYTE), _BITS)

    return types.int64(types.int64), build


def _lowest(typingctx: Any, bits: Any) -> Any:
    """The place of the lowest bit that is set, or 64 where none is."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), build


def _how_many(typingctx: Any, bits: Any) -> Any:
    """How many bits are set."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), build


words_in: Any = intrinsic(_words_in)
are: Any = intrinsic(_are)
lower: Any = intrinsic(_lower)
byte: Any = intrinsic(_byte)
eight: Any = intrinsic(_eight)
lowest: Any = intrinsic(_lowest)
how_many: Any = intrinsic(_how_many)
