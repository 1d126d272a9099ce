"""How much memory this process holds, looked at now and then."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.settlement import Settlement

_EVERY_S = 1.0
_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Gauge:
    """Credits the memory of the process to the job that ended last, once a second."""

    def __init__(self) -> None:
        self._at = 0.0

    def credit(self, ends: list[Settlement]) -> Sequence[Settlement]:
        """Note in the last of these ends what the process holds, if it is time to look again."""
        now = time.monotonic()
        if ends and now - self._at >= _EVERY_S:
            self._at = now
            ends[-1] = msgspec.structs.replace(ends[-1], rss_bytes=rss_bytes())
        return ends


def rss_bytes() -> int:
    """Bytes that this process has in memory; 0 where nobody can tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    with suppress(Exception):
        import psutil

        return int(psutil.Process().memory_info().rss)
    return 0
