"""What a fingerprint is: plain functions that know nothing of queues."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Fingerprint(NamedTuple):
    """One file, measured."""

    path: str
    sha256: str
    size: int
    """Bytes."""
    lines: int
    words: int


class Summary(NamedTuple):
    """Many files, added up."""

    files: int
    size: int
    """Bytes."""
    lines: int
    words: int
    sha256: str
    """Of all fingerprints in the order of their paths: equal only if every one of them is."""


def measure(path: Path) -> Fingerprint:
    """Read a file once and measure it.

    Raises:
        OSError: the file is gone or cannot be read.
    """
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return Fingerprint(str(path), digest, len(content), content.count(b"\n"), len(content.split()))


def walk(folder: Path) -> Iterator[Path]:
    """Every readable file below a folder, without caches and installed packages, in a fixed order."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - {"__pycache__", "site-packages"})
        for path in (Path(parent, name) for name in sorted(files)):
            if path.is_file() and os.access(path, os.R_OK):
                yield path


def summarize(fingerprints: Iterable[Fingerprint]) -> Summary:
    """Add fingerprints up."""
    ordered = sorted(fingerprints)
    digest = hashlib.sha256()
    for fingerprint in ordered:
        digest.update(repr(tuple(fingerprint)).encode())
    return Summary(
        files=len(ordered),
        size=sum(each.size for each in ordered),
        lines=sum(each.lines for each in ordered),
        words=sum(each.words for each in ordered),
        sha256=digest.hexdigest(),
    )
