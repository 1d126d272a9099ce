"""How much of everything: SCALE shrinks counts and times alike, their ratios to the lease stay."""

from __future__ import annotations

import os

SCALE = float(os.environ.get("SCALE", "0.1"))
"""1: the figures of the specification."""
SEED = int(os.environ.get("SEED", "1"))
"""The only source of chance."""
LEASE_S = max(2.0, 15.0 * SCALE)
"""Shorter leases would judge the machine, not the engine."""


def count(whole: int, least: int = 1) -> int:
    """So many, scaled."""
    return max(least, round(whole * SCALE))


def seconds(whole: float, least: float = 0.0) -> float:
    """So many seconds, scaled."""
    return max(least, whole * SCALE)


def leases(terms: float) -> float:
    """So many lease terms, in seconds."""
    return LEASE_S * terms
