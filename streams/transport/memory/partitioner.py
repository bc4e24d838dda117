"""Which partition a key belongs to, as Java's Kafka client decides it."""

from __future__ import annotations

import functools

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


@functools.lru_cache(maxsize=1 << 16)
def murmur2(key: bytes) -> int:
    """The 32-bit murmur2 hash of a key, with the seed of Java's Kafka client; unsigned.

    The hashes of recent keys are cached, because a stream repeats its keys.
    """
    length = len(key)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(key[i : i + 4], "little") * _M & _MASK
        h = (h * _M & _MASK) ^ ((k ^ (k >> 24)) * _M & _MASK)
    if whole < length:
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The number of the partition that a key belongs to among so many, as Java's default partitioner chooses it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
