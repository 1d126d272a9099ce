"""Counts by size, good to about three percent: sixteen buckets for each doubling.

Bucket n holds the value n below 32; above, its first five binary digits and how many follow. So a bucket is found
with whole numbers alone, in the same way in Python and in `drivers/redis/lua/lib/measure.lua`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

_EXACT = 32
_DIGITS = 5


def bucket_of(value: int) -> int:
    """Find the bucket of a value; what is below 0 counts as 0."""
    if value < _EXACT:
        return max(0, value)
    shift = value.bit_length() - _DIGITS
    return (shift << 4) + (value >> shift)


def digits_beyond(value: int) -> int:
    """How many of the last binary digits make no difference to the bucket of a value, or of a larger one."""
    return max(0, value.bit_length() - _DIGITS) if value > 0 else 0


def bounds(bucket: int) -> tuple[int, int]:
    """The smallest value of a bucket, and the smallest that is above it."""
    if bucket < _EXACT:
        return bucket, bucket + 1
    shift = (bucket >> 4) - 1
    low = ((bucket & 15) + 16) << shift
    return low, low + (1 << shift)


def typical(bucket: int) -> float:
    """What a value of a bucket is taken for: its middle."""
    low, above = bounds(bucket)
    return (low + above - 1) / 2


def quantiles(counts: Mapping[int, int], shares: Sequence[float]) -> list[float]:
    """Values that these shares of all do not exceed, within about three percent.

    Args:
        counts: how many values are in each bucket; at least one.
        shares: 0 to 1, ascending.

    Source: the nearest rank, as in `statistics.quantiles` of numbers that are not interpolated.
    """
    total = sum(counts.values())
    found: list[float] = []
    passed = 0
    buckets = iter(sorted(counts.items()))
    bucket, number = next(buckets)
    for share in shares:
        rank = max(1, ceil(share * total))
        while passed + number < rank:
            passed += number
            bucket, number = next(buckets)
        found.append(typical(bucket))
    return found
