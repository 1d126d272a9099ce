"""Flags that several parts have."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.pinning import CHOICES
from benchmarks.report import RESULTS
from benchmarks.stores import SITES

_NOT_SAID = {"part", "stores", "results", "run", "pin", "plot"}


def words(known: Sequence[str]) -> Any:
    """A reader of comma-separated names."""

    def read(text: str) -> list[str]:
        found = [word for word in text.split(",") if word]
        unknown = sorted({*found} - {*known})
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(known)}")
        return found

    return read


def numbers(text: str) -> list[int]:
    """Read comma-separated whole numbers; 1e6 is one too."""
    return [int(float(part)) for part in text.split(",")]


def add_stores(parser: argparse.ArgumentParser, default: Sequence[str]) -> None:
    names = tuple(SITES)
    shown = ",".join(default)
    parser.add_argument("--stores", type=words(names), default=list(default), metavar="NAME,…", help=f"({shown})")
    parser.add_argument("--pin", choices=CHOICES, default="none", help="clients and store: apart, or all on one core")
    parser.add_argument("--results", type=Path, default=RESULTS, help=argparse.SUPPRESS)


def add_rounds(parser: argparse.ArgumentParser, default: int = 3) -> None:
    parser.add_argument("--rounds", type=int, default=default, help="medians of so many (%(default)s)")


def said(args: argparse.Namespace) -> dict[str, Any]:
    """What the header tells of the flags."""
    return {name: value for name, value in vars(args).items() if name not in _NOT_SAID}
