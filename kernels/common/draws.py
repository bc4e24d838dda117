"""Random draws by counter: a draw is a function of what it is for, never of how many came before it.

So what a learner draws for its i-th record does not depend on how records were cut into batches, on threads, or
on a generator's state that a snapshot would have to hold. The mixing function is that of SplitMix64 (Steele, Lea
& Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014), here over a chain of keys rather than
over one counter.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]
Bits = np.uint64

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
S27, S30, S31, S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
UNIT = 2.0**-53


@kernel
def mix(z: Bits) -> Bits:
    """SplitMix64's finaliser: a bijection of 64 bits in which each bit of the input reaches all of the output."""
    z = (z ^ (z >> S30)) * FIRST
    z = (z ^ (z >> S27)) * SECOND
    return z ^ (z >> S31)


@kernel
def bits(seed: int, stream: int, index: int) -> Bits:
    """64 random bits for a place in a stream, uint64."""
    # Whole numbers of different signedness would make a float of both, in numba as in numpy.
    z = mix(np.uint64(seed) + GOLDEN)
    z = mix((z ^ np.uint64(stream)) + GOLDEN)
    return mix((z ^ np.uint64(index)) + GOLDEN)


@kernel
def uniform(seed: int, stream: int, index: int) -> float:
    """A number in [0, 1), a multiple of 2^-53."""
    return float(np.float64(bits(seed, stream, index) >> S11) * UNIT)


@kernel
def poisson(table: Floats, u: float) -> int:
    """The Poisson draw that a uniform one stands for; `table` is `poisson_table(rate)`."""
    k = 0
    while k < table.size - 1 and u >= table[k]:
        k += 1
    return k


def poisson_table(rate: float) -> Floats:
    """P(draw <= k) for k = 0, 1, ... up to where a uniform draw of 53 bits cannot tell it from 1: float64 [n].

    >>> poisson_table(1.0)[:3].round(4).tolist()
    [0.3679, 0.7358, 0.9197]
    """
    if not 0.0 < rate <= 500.0:
        raise ValueError(f"a Poisson rate of {rate} is not in (0, 500]")
    term = total = math.exp(-rate)
    table = [total]
    while total < 1.0 and (len(table) <= rate or term > UNIT / 4):
        term *= rate / len(table)
        total = min(1.0, total + term)
        table.append(total)
    return np.array(table)


@kernel
def choose(seed: int, stream: int, count: int, out: NDArray[np.int8]) -> None:
    """Mark `count` of the places of `out` with 1 and the others with 0, every choice as likely as any other."""
    left = count
    for i in range(out.size):
        # Knuth's algorithm S: the place is taken with the share of those still wanted among those still to come.
        taken = uniform(seed, stream, i) * (out.size - i) < left
        out[i] = 1 if taken else 0
        left -= out[i]
