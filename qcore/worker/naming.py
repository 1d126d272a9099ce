"""How workers and supervisors are called."""

from __future__ import annotations

import os
import re
import secrets
import socket

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)
_LONGEST = 96
"""Characters of an id: what a block of shared memory has room for."""


def is_name(text: str) -> bool:
    """Whether it may stand in an id: 1 to 32 letters, digits and `-_.`, the first a letter or a digit."""
    return _NAME.fullmatch(text) is not None


def new_id(name: str | None = None) -> str:
    """Make an id that no other process has, ever: host, pid and chance, which a name stands before."""
    tail = f":{os.getpid()}:{f'{name}-' if name else ''}{secrets.token_hex(4)}"
    return socket.gethostname()[: _LONGEST - len(tail)] + tail
