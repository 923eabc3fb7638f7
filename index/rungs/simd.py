"""Instructions of the CPU for the compiled loops; numba compiles them for the CPU that it runs on.

`sums` and `dot_avx2` are for CPUs with AVX2, the others for all.  On a CPU without it faiss scans the codes, with that
CPU's own instructions, and `dot_plain` gives the same numbers.  Addresses are int64; the caller has checked them.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, config
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

HAS_AVX2 = "+avx2" in (get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES)

_BYTE, _WORD, _INT, _LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_BYTES, _WORDS, _INTS = ir.VectorType(_BYTE, 32), ir.VectorType(_WORD, 16), ir.VectorType(_INT, 8)
_FLOAT = ir.FloatType()
_FLOATS = ir.VectorType(_FLOAT, 16)
_QUICK = ("contract", "nnan", "nsz")


# Single values.


@intrinsic
def half(_: Any, bits: Any) -> Any:
    """The float32 value of the bits of a float16."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), generate


@intrinsic
def fetch(_: Any, address: Any) -> Any:
    """Prefetch the cache line at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _BYTE.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _INT, _INT, _INT])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        constants = [ir.Constant(_INT, value) for value in (0, 3, 1)]  # to read, often, data
        builder.call(prefetch, [builder.inttoptr(arguments[0], pointer), *constants])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def byte_at(_: Any, address: Any) -> Any:
    """The byte at an address, as int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(_load(builder, arguments[0], _BYTE), _LONG)

    return types.int64(types.int64), generate


@intrinsic
def lowest_bit(_: Any, mask: Any) -> Any:
    """The place of the lowest bit of a mask that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


# The sums of a block's codes.


@intrinsic
def sums(_: Any, codes: Any, table: Any, pairs: Any, least: Any, found: Any) -> Any:
    """Write a block's 32 sums of 16 bits; bit i of the result is set where the sum of row i is at least `least`.

    `codes`, `table` (uint8 [2 pairs, 16], each at most 127) and `found` are addresses; `least` is below 2 ** 16.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, table, pairs, least, found = arguments
        # Of the low and of the high halves of the codes: all bytes as words, and the odd bytes alone.
        totals = [cgutils.alloca_once_value(builder, ir.Constant(_WORDS, [0] * 16)) for _ in range(4)]
        with cgutils.for_range(builder, builder.lshr(pairs, ir.Constant(_LONG, 1))) as loop:
            at = builder.shl(loop.index, ir.Constant(_LONG, 6))
            first = _looked_up(builder, codes, table, at)
            second = _looked_up(builder, codes, table, builder.add(at, ir.Constant(_LONG, 32)))
            _add_bytes(builder, totals, [builder.add(*both) for both in zip(first, second, strict=True)])
        with builder.if_then(builder.trunc(pairs, ir.IntType(1))):
            at = builder.shl(builder.sub(pairs, ir.Constant(_LONG, 1)), ir.Constant(_LONG, 5))
            _add_bytes(builder, totals, _looked_up(builder, codes, table, at))
        return _compared(builder, [builder.load(total) for total in totals], least, found)

    return types.int64(types.int64, types.int64, types.int64, types.int64, types.int64), generate


def _looked_up(builder: Any, codes: Any, table: Any, at: Any) -> list[Any]:
    """The numbers of a pair of groups: 32 for the low halves of the codes, 32 for the high halves."""
    kind = ir.FunctionType(_BYTES, [_BYTES, _BYTES])
    shuffle = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx2.pshuf.b")
    both, numbers = (_load(builder, builder.add(start, at), _BYTES) for start in (codes, table))
    low_half = ir.Constant(_BYTES, [15] * 32)
    high = builder.lshr(builder.bitcast(both, _WORDS), ir.Constant(_WORDS, [4] * 16))
    places = [builder.and_(both, low_half), builder.and_(builder.bitcast(high, _BYTES), low_half)]
    return [builder.call(shuffle, [numbers, some]) for some in places]


def _add_bytes(builder: Any, totals: list[Any], found: list[Any]) -> None:
    for half_of, some in enumerate(found):
        words = builder.bitcast(some, _WORDS)
        odd = builder.lshr(words, ir.Constant(_WORDS, [8] * 16))
        for place, more in ((2 * half_of, words), (2 * half_of + 1, odd)):
            builder.store(builder.add(builder.load(totals[place]), more), totals[place])


def _compared(builder: Any, totals: list[Any], least: Any, found: Any) -> Any:
    """A word of all bytes is even + 256 odd, modulo 2 ** 16.  Even bytes are rows 0 to 7, odd ones rows 8 to 15."""
    bounds = ir.Constant(_WORDS, ir.Undefined)
    for lane in range(16):
        bounds = builder.insert_element(bounds, builder.trunc(least, _WORD), ir.Constant(_INT, lane))
    mask = ir.Constant(_LONG, 0)
    for half_of, (words, odd) in enumerate((totals[:2], totals[2:])):
        even = builder.sub(words, builder.shl(odd, ir.Constant(_WORDS, [8] * 16)))
        rows = _shuffled(builder, _both_groups(builder, even), _both_groups(builder, odd), range(16))
        _store(builder, builder.add(found, ir.Constant(_LONG, 32 * half_of)), rows)
        reached = builder.bitcast(builder.icmp_unsigned(">=", rows, bounds), _WORD)
        mask = builder.or_(mask, builder.shl(builder.zext(reached, _LONG), ir.Constant(_LONG, 16 * half_of)))
    return mask


def _both_groups(builder: Any, words: Any) -> Any:
    """The sum of the lower and the upper eight words, which are of the two groups of each pair."""
    return builder.add(*(_shuffled(builder, words, words, range(at, at + 8)) for at in (0, 8)))


def _shuffled(builder: Any, first: Any, second: Any, places: range) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_INT, len(places)), list(places)))


# Dot products.


@intrinsic
def dot_avx2(_: Any, row: Any, values: Any, count: Any) -> Any:
    """The dot product of `count` int8 values at the address `row` and int16 values at the address `values`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, values, count = arguments
        kind = ir.FunctionType(_INTS, [_WORDS, _WORDS])
        multiply = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx2.pmadd.wd")
        total = cgutils.alloca_once_value(builder, ir.Constant(_INTS, [0] * 8))
        with cgutils.for_range(builder, builder.lshr(count, ir.Constant(_LONG, 4))) as loop:
            at = builder.shl(loop.index, ir.Constant(_LONG, 4))
            wide = builder.sext(_load(builder, builder.add(row, at), ir.VectorType(_BYTE, 16)), _WORDS)
            other = _load(builder, builder.add(values, builder.add(at, at)), _WORDS)
            builder.store(builder.add(builder.load(total), builder.call(multiply, [wide, other])), total)
        kind = ir.FunctionType(_INT, [_INTS])
        reduce = cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.add.v8i32")
        whole = cgutils.alloca_once_value(builder, builder.call(reduce, [builder.load(total)]))
        with cgutils.for_range(builder, builder.and_(count, ir.Constant(_LONG, 15))) as loop:
            at = builder.or_(builder.and_(count, ir.Constant(_LONG, -16)), loop.index)
            one = builder.sext(_load(builder, builder.add(row, at), _BYTE), _INT)
            other = builder.sext(_load(builder, builder.add(values, builder.add(at, at)), _WORD), _INT)
            builder.store(builder.add(builder.load(whole), builder.mul(one, other)), whole)
        return builder.load(whole)

    return types.int32(types.int64, types.int64, types.int64), generate


@intrinsic
def product(_: Any, row: Any, values: Any) -> Any:
    """The int8 value at the address `row` times the int16 value at the address `values`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one, other = (_load(builder, place, kind) for place, kind in zip(arguments, (_BYTE, _WORD), strict=True))
        return builder.mul(builder.sext(one, _INT), builder.sext(other, _INT))

    return types.int32(types.int64, types.int64), generate


@njit(cache=True, nogil=True)
def dot_plain(row: int, values: int, count: int) -> Any:
    """As `dot_avx2`, on any CPU."""
    total = 0
    for at in range(count):
        total += product(row + at, values + 2 * at)
    return np.int32(total)


# The products of a query's groups with the points of their codes.


@intrinsic
def group_products(_: Any, values: Any, points: Any, groups: Any, length: Any, products: Any) -> Any:
    """Write float32 [groups, 16], in which each group's lowest number is 0.

    At the addresses are `values` float32 [groups, length] and `points` float32 [groups, length, 16].  Returns the
    largest number, and the sum of the largest of each group.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, points, groups, length, products = arguments
        largest, total = (cgutils.alloca_once_value(builder, ir.Constant(_FLOAT, 0.0)) for _ in range(2))
        numbers = cgutils.alloca_once(builder, _FLOATS)
        with cgutils.for_range(builder, groups) as group:
            builder.store(ir.Constant(_FLOATS, [0.0] * 16), numbers)
            with cgutils.for_range(builder, length) as loop:
                at = builder.add(builder.mul(group.index, length), loop.index)
                value = _load(builder, builder.add(values, _times(builder, at, 4)), _FLOAT)
                point = _load(builder, builder.add(points, _times(builder, at, 64)), _FLOATS)
                more = builder.fmul(point, _everywhere(builder, value), flags=_QUICK)
                builder.store(builder.fadd(builder.load(numbers), more, flags=_QUICK), numbers)
            found = builder.load(numbers)
            found = builder.fsub(found, _everywhere(builder, _reduced(builder, "fmin", found)), flags=_QUICK)
            _store(builder, builder.add(products, _times(builder, group.index, 64)), found)
            high, before = _reduced(builder, "fmax", found), builder.load(largest)
            larger = builder.select(builder.fcmp_ordered(">", high, before), high, before)
            builder.store(larger, largest)
            builder.store(builder.fadd(builder.load(total), high), total)
        return context.make_tuple(builder, signature.return_type, [builder.load(largest), builder.load(total)])

    places = (types.int64,) * 5
    return types.UniTuple(types.float32, 2)(*places), generate


def _reduced(builder: Any, what: str, numbers: Any) -> Any:
    kind = ir.FunctionType(_FLOAT, [_FLOATS])
    reduce = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.{what}.v16f32")
    return builder.call(reduce, [numbers], fastmath=("nnan",))


def _everywhere(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), value, ir.Constant(_INT, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INT, 16), [0] * 16))


def _times(builder: Any, at: Any, size: int) -> Any:
    return builder.mul(at, ir.Constant(_LONG, size))


def _load(builder: Any, address: Any, kind: Any) -> Any:
    found = builder.load(builder.inttoptr(address, kind.as_pointer()))
    found.align = 1
    return found


def _store(builder: Any, address: Any, value: Any) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer())).align = 1


dot: Any = dot_avx2 if HAS_AVX2 else dot_plain
