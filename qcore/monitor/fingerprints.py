"""Errors told apart by what went wrong, and not by when, where on the line, or to whom."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcore.records import Failure

_FRAME = re.compile(r'^  File "(.+)", line \d+, in (.+)$', re.MULTILINE)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_VARIABLE = re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f-]{8,}\b|0x[0-9a-f]+|\d+(?:[.,:]\d+)*", re.IGNORECASE)
_LENGTH = 10


def fingerprint(job: str, failure: Failure) -> str:
    """Name the trouble that an error tells of: the same for the same class, exception and place in the code.

    The message counts without its numbers, ids and quoted parts, and a line without its number, so that neither another
    customer nor the next release makes it another trouble.

    Args:
        job: class path.
        failure: of one attempt.

    Returns:
        10 hexadecimal digits.
    """
    frames = _FRAME.findall(failure.traceback)
    place = "" if not frames else f"{frames[-1][0].rpartition('/')[2]}:{frames[-1][1]}"
    message = _VARIABLE.sub("#", _QUOTED.sub("#", failure.message.partition("\n")[0]))
    text = f"{job}\0{failure.kind}\0{place}\0{message}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:_LENGTH]
