"""Steps of compiled loops on sixteen numbers at once, and AMX's instructions, in LLVM's words.

numba has no vectors: most loops become vector code by LLVM's own doing, and those here do not, or
run at half the speed. Each step takes a tuple of whole numbers, addresses and distances in bytes,
and reads or writes what lies there without looking. Where a processor's vectors are shorter, LLVM
splits them, to the same bits.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from model.compiled import njit

LANES = 16
"""Numbers in a vector."""

_cgutils: Any = cgutils  # without types
_BYTE, _WORD, _LONG, _POINTER = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.PointerType()
_FLOAT, _DOUBLE = ir.FloatType(), ir.DoubleType()
_WORDS, _FLOATS, _DOUBLES = (ir.VectorType(kind, LANES) for kind in (_WORD, _FLOAT, _DOUBLE))
_VECTOR = 4 * LANES  # bytes
# What may be contracted below is exact in every step, and has the same bits either way.
_EXACT = ("contract",)

Builder = Any
Value = Any


@njit(inline="always")
def address(array: NDArray[np.generic]) -> int:
    """Return where an array begins, as a number that others may be added to."""
    return np.int64(array.ctypes.data)  # type: ignore[return-value]


def _step(emit: Callable[[Builder, Sequence[Value]], None]) -> Any:
    """Make a function for compiled loops of one that writes instructions for some numbers."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Any:
        del signature
        emit(builder, _cgutils.unpack_tuple(builder, arguments[0]))
        return context.get_dummy_value()

    def typed(context: Any, numbers: Any) -> Any:
        del context
        return types.none(numbers), generate

    return intrinsic(typed)


def _load(builder: Builder, address: Value, kind: Any, align: int = 4) -> Value:
    loaded = builder.load(builder.inttoptr(address, _POINTER), typ=kind)
    loaded.align = align
    return loaded


def _store(builder: Builder, value: Value, address: Value) -> None:
    builder.store(value, builder.inttoptr(address, _POINTER)).align = 4


def _all(kind: Any, value: float) -> Value:
    return ir.Constant(kind, [value] * LANES)


def _call(builder: Builder, name: str, kind: Any, *arguments: Value) -> Value:
    function = ir.FunctionType(kind, [argument.type for argument in arguments])
    return builder.call(builder.module.declare_intrinsic(name, (), function), arguments)


# --- AMX --------------------------------------------------------------------------------------


def _instruction(name: str, *tiles: int) -> Any:
    """Make one of AMX's instructions, on tiles by number; some take an address and a stride."""

    @_step
    def emit(builder: Builder, numbers: Sequence[Value]) -> None:
        values = [_BYTE(tile) for tile in tiles]
        if numbers:
            values += [builder.inttoptr(numbers[0], _POINTER), *numbers[1:]]
        _call(builder, f"llvm.x86.{name}", ir.VoidType(), *values)

    return emit


configure = _instruction("ldtilecfg")
release = _instruction("tilerelease")
ZERO = [_instruction("tilezero", tile) for tile in range(6)]
LOAD = [_instruction("tileloadd64", tile) for tile in (6, 7)]
STORE = [_instruction("tilestored64", tile) for tile in range(6)]
ADD_SIGNED = [_instruction("tdpbusd", tile, 6, 7) for tile in range(6)]
ADD_UNSIGNED = [_instruction("tdpbuud", tile, 6, 7) for tile in range(2)]


@_step
def fetch(builder: Builder, numbers: Sequence[Value]) -> None:
    """Have the processor read a line of memory that will be written soon."""
    place = builder.inttoptr(numbers[0], _POINTER)
    _call(builder, "llvm.prefetch.p0", ir.VoidType(), place, _WORD(1), _WORD(3), _WORD(1))


# --- fixed point ------------------------------------------------------------------------------


def _raise_largest(builder: Builder, floats: Sequence[Value], top: Value) -> None:
    """Raise the largest magnitudes so far, as bits, at an address.

    As whole numbers the bits have the order of the magnitudes, with nan above all.
    """
    largest = _load(builder, top, _WORDS)
    for vector in floats:
        bits = builder.and_(builder.bitcast(vector, _WORDS), _all(_WORDS, 0x7FFFFFFF))
        larger = builder.icmp_signed(">", bits, largest)
        largest = builder.select(larger, bits, largest)
    _store(builder, largest, top)


@_step
def largest_of_rows(builder: Builder, numbers: Sequence[Value]) -> None:
    """Raise the largest magnitudes by four rows of floats. Addresses: of these, of magnitudes."""
    *rows, top = numbers
    _raise_largest(builder, [_load(builder, row, _FLOATS) for row in rows], top)


@_step
def split_rows(builder: Builder, numbers: Sequence[Value]) -> None:
    """Write four rows of floats, times a power of two each column, as words of three limbs.

    Addresses: of four rows, of the powers, and of the words for the low, middle and high bytes.
    With 128 added to the two lower bytes of a whole number, these are as many above what they are
    with a sign.
    """
    *rows, inverse, low, middle, high = numbers
    factor = _load(builder, inverse, _FLOATS)
    words = [_all(_WORDS, 0)] * 3
    for place, row in enumerate(rows):
        product = builder.fmul(_load(builder, row, _FLOATS), factor)
        # In a column with nan any result is right, but LLVM does not define nan as a whole number.
        known = builder.fcmp_ordered("ord", product, product)
        product = builder.select(known, product, _all(_FLOATS, 0.0))
        rounded = _call(builder, "llvm.rint.v16f32", _FLOATS, product)
        whole = builder.add(builder.fptosi(rounded, _WORDS), _all(_WORDS, 0x8080))
        for limb in range(3):
            byte = builder.and_(builder.lshr(whole, _all(_WORDS, 8 * limb)), _all(_WORDS, 0xFF))
            placed = builder.shl(byte, _all(_WORDS, 8 * place))
            words[limb] = builder.or_(words[limb], placed)
    signs = _all(_WORDS, -0x7F7F7F80)  # 0x80808080
    _store(builder, builder.xor(words[0], signs), low)
    _store(builder, builder.xor(words[1], signs), middle)
    _store(builder, words[2], high)


def _joined(builder: Builder, numbers: Sequence[Value]) -> Value:
    """Return unit (s_0 + 2^8 s_1 + 2^16 s_2) in float64, exact; numbers: addresses of all four."""
    low, middle, high, unit = (
        builder.sitofp(_load(builder, address, _WORDS, _VECTOR), _DOUBLES)
        if place < 3
        else _load(builder, address, _DOUBLES)
        for place, address in enumerate(numbers)
    )
    whole = builder.fadd(builder.fmul(middle, _all(_DOUBLES, 256.0), _EXACT), low, _EXACT)
    whole = builder.fadd(builder.fmul(high, _all(_DOUBLES, 65536.0), _EXACT), whole, _EXACT)
    return builder.fmul(whole, unit, _EXACT)


@_step
def write_row(builder: Builder, numbers: Sequence[Value]) -> None:
    """Write joined sums, rounded once. Addresses: of the three sums, of the units, of the row."""
    *sums, z = numbers
    _store(builder, builder.fptrunc(_joined(builder, sums), _FLOATS), z)


@_step
def subtract_row(builder: Builder, numbers: Sequence[Value]) -> None:
    """Subtract joined sums, rounded once; as `write_row`, and at last of largest magnitudes."""
    *sums, v, top = numbers
    wide = builder.fpext(_load(builder, v, _FLOATS), _DOUBLES)
    difference = builder.fptrunc(builder.fsub(wide, _joined(builder, sums), _EXACT), _FLOATS)
    _store(builder, difference, v)
    _raise_largest(builder, [difference], top)


@_step
def float_row(builder: Builder, numbers: Sequence[Value]) -> None:
    """Write whole numbers without sign, rounded once. Addresses: of these, of the row."""
    words, g = numbers
    _store(builder, builder.uitofp(_load(builder, words, _WORDS), _FLOATS), g)


# --- sums in the order of the rows ------------------------------------------------------------


def _sums_in_order(n_rows: int, n_vectors: int) -> Any:
    """Write some rows and vectors of columns of gram deltas, summed up over the rows of the deltas.

    Numbers: address and stride of the Gram matrix, of the deltas, how many rows of them, address
    and stride of the sums. Each term is rounded once, together with its addition.
    """

    @_step
    def emit(builder: Builder, numbers: Sequence[Value]) -> None:
        gram, gram_stride, deltas, delta_stride, count, out, out_stride = numbers
        places = [(i, j) for i in range(n_rows) for j in range(n_vectors)]
        sums = {place: _cgutils.alloca_once(builder, _FLOATS) for place in places}
        for total in sums.values():
            builder.store(_all(_FLOATS, 0.0), total)
        rows = [builder.add(gram, builder.mul(_LONG(i), gram_stride)) for i in range(n_rows)]
        with _cgutils.for_range(builder, count) as loop:
            delta = builder.add(deltas, builder.mul(loop.index, delta_stride))
            vectors = [
                _load(builder, builder.add(delta, _LONG(_VECTOR * j)), _FLOATS)
                for j in range(n_vectors)
            ]
            for i in range(n_rows):
                place = builder.add(rows[i], builder.mul(loop.index, _LONG(4)))
                inner = _load(builder, place, _FLOAT)
                inner = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), inner, _WORD(0))
                inner = builder.shuffle_vector(inner, inner, _all(_WORDS, 0))
                for j in range(n_vectors):
                    total = builder.load(sums[i, j], typ=_FLOATS)
                    added = _call(builder, "llvm.fma.v16f32", _FLOATS, inner, vectors[j], total)
                    builder.store(added, sums[i, j])
        for i, j in places:
            place = builder.add(out, builder.mul(_LONG(i), out_stride))
            place = builder.add(place, _LONG(_VECTOR * j))
            _store(builder, builder.load(sums[i, j], typ=_FLOATS), place)

    return emit


four_rows_in_order = _sums_in_order(4, 2)


def _fma(context: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x y + z in float32, rounded once."""
    del context

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Any:
        del context, signature
        return _call(builder, "llvm.fma.f32", _FLOAT, *arguments)

    return types.float32(x, y, z), generate


fma: Any = intrinsic(_fma)  # the type checker takes the context for an argument
