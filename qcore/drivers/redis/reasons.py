"""The client library's errors in the words of the person who must mend them."""

from __future__ import annotations

import re
from typing import NamedTuple

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from qcore.errors import QueueFullError


class Reason(NamedTuple):
    """Why the server did not do what it was asked for."""

    text: str
    """One line."""
    hint: str = ""
    is_refusal: bool = True
    """It answered, and will say the same if asked again."""
    is_elsewhere: bool = False
    """Another server has the jobs by now."""


_CODES = {
    "LOADING": Reason("the server is still loading its data", is_refusal=False),
    "BUSY": Reason("the server is busy with somebody's long script", is_refusal=False),
    "MASTERDOWN": Reason("the server is a replica that lost its master", is_refusal=False),
    "OOM": Reason("the server is out of memory and stores nothing more", "raise its maxmemory, or free some"),
    "READONLY": Reason("the server is a replica and takes no writes", "connect to the master", is_elsewhere=True),
    "UNBLOCKED": Reason("the server became a replica", is_refusal=False, is_elsewhere=True),
    "MOVED": Reason("another node of the cluster has the keys", "give redis+cluster://host:port", is_elsewhere=True),
    "ASK": Reason("the cluster is moving the keys to another node", is_refusal=False),
    "TRYAGAIN": Reason("the cluster is moving the keys to another node", is_refusal=False),
    "CLUSTERDOWN": Reason("the cluster is down, or in search of a new master", is_refusal=False),
    "MISCONF": Reason("the server cannot save to its disk and refuses writes", "see the server's log"),
    "NOAUTH": Reason("the server wants a password", "give redis://:password@host:port/db"),
    "NOPERM": Reason("the user may not run what the queue needs", "see ACL SETUSER"),
}
_REFUSED_USER = Reason("the server refused the user or the password")
_NAMES = {
    "AskError": "ASK",
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}
"""The library cuts off the code where it has a class for it."""


def reason_of(error: Exception) -> Reason:
    """Put an error of the library, or of the socket, into one line."""
    said = " ".join(str(error).split())
    code = _NAMES.get(type(error).__name__) or _code_in(error, said)
    if code:
        return _CODES[code]
    if isinstance(error, NoPermissionError):
        return _CODES["NOPERM"]
    if isinstance(error, AuthenticationError):
        return _CODES["NOAUTH"] if "required" in said else _REFUSED_USER
    is_refusal = isinstance(error, ResponseError)
    hint = "" if is_refusal else "is it running? check --url, or QCTL_URL"
    return Reason(said or type(error).__name__, hint, is_refusal=is_refusal)


def queue_full(queue: bytes, most: bytes, held: int) -> QueueFullError:
    """Say that a queue has no room."""
    return QueueFullError(
        f'queue "{queue.decode()}" is full: it holds {int(held)} of at most {int(most)} jobs; nothing was stored',
        hint="dispatch later, or raise the queue's max_jobs",
    )


def _code_in(error: Exception, said: str) -> str | None:
    if not isinstance(error, RedisError):
        return None
    found = re.search(rf"(?:^|-)({'|'.join(_CODES)})\b", said)  # servers before 7 wrap what a script met: "… -OOM …"
    return found.group(1) if found else None
