"""What stores answered to a line that is being typed: it is there at once, or not at all."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

_PATIENCE_S = 0.1
"""For how long a shell waits; what comes later is there when it asks again."""
_FRESH_S = 2.0
_USABLE_S = 60.0
"""An answer so old is told where none comes in time."""
_GIVES_UP_S = 10
_END = b"\0"
_CHUNK = 1 << 16


def remembered(question: str, ask: Callable[[], Iterable[str]]) -> list[str]:
    """Return what was answered in the last two seconds, or what is answered now; after a tenth of a second nothing.

    Args:
        question: tells this answer from others, with all that it depends on.
        ask: gives the answer, words without line ends; called in a process of its own, which is not waited for, and
            may raise: then there is no answer.
    """
    path = _folder() / f"{sha256(question.encode()).hexdigest()[:32]}.txt"
    before, age_s = _read(path)
    if age_s < _FRESH_S:
        return before
    now = _asked(path, ask)
    if now is None:
        return before if age_s < _USABLE_S else []
    return now


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qctl" / "completion"


def _read(path: Path) -> tuple[list[str], float]:
    """The answer that was kept, and how many seconds ago it was given."""
    with suppress(OSError, UnicodeError):
        return path.read_text("utf-8").split("\n"), max(0.0, time.time() - path.stat().st_mtime)
    return [], _USABLE_S


def _asked(path: Path, ask: Callable[[], Iterable[str]]) -> list[str] | None:
    """The answer of a process that goes on, and keeps it, after the patience is over; None if none came in time."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with suppress(BaseException):
            _answer(path, ask, writing)
        os._exit(0)
    os.close(writing)
    try:
        answer = _received(reading)
    except TimeoutError:
        return None
    finally:
        os.close(reading)
    os.waitpid(child, 0)
    return answer


def _answer(path: Path, ask: Callable[[], Iterable[str]], writing: int) -> None:
    """Ask, tell and keep the answer, apart from the terminal and from whoever waits for its end."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_GIVES_UP_S)
    answer = "\n".join(ask()).encode()
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.touch(mode=0o600)
        new.write_bytes(answer)
        new.replace(path)
    view = memoryview(answer + _END)
    while view:
        view = view[os.write(writing, view) :]


def _received(reading: int) -> list[str] | None:
    """What comes through a pipe; None if it ends too early, and TimeoutError if it is late."""
    until = time.monotonic() + _PATIENCE_S
    answer = b""
    while select.select([reading], [], [], max(0.0, until - time.monotonic()))[0]:
        more = os.read(reading, _CHUNK)
        answer += more
        if answer.endswith(_END):
            return answer[:-1].decode().split("\n")
        if not more:
            return None
    raise TimeoutError
