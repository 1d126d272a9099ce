"""Looks kept in a file, one a line, and shown again at the pace at which they came."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qcore.monitor.glance import Glance
from qctl.exits import WrongUsage

if TYPE_CHECKING:
    from qctl.screens.feed import Source

_EVENTS_KEPT = 100
"""The newest ones, with each look."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Glance).decode


class Recorder:
    """A source that keeps what another one gives.

    Args:
        source: is asked.
        path: of the file; a recording that is there is written anew. Nobody but its owner may read it.

    Raises:
        WrongUsage: the file cannot be written, or holds something else.
    """

    def __init__(self, source: Source, path: Path) -> None:
        self._source, self._path = source, path
        try:
            _require_no_other(path)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            path.chmod(0o600)  # also one that was there
        except OSError as error:
            raise WrongUsage(f"--record {path}: {error.strerror}", hint="name a file that can be written") from None

    def look(self, view: str, words: str = "") -> Glance | None:
        """Look, and keep it."""
        glance = self._source.look(view, words)
        if glance is not None:
            happenings = glance.happenings._replace(events=glance.happenings.events[-_EVENTS_KEPT:])
            with self._path.open("ab") as file:
                file.write(_encode(msgspec.structs.replace(glance, happenings=happenings)) + b"\n")
        return glance

    def forget(self) -> None:
        """Let the next look read everything anew."""
        self._source.forget()


def _require_no_other(path: Path) -> None:
    """See to it that a file which is there is empty or a recording.

    Raises:
        WrongUsage: it is something else; it stays as it is.
    """
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            if first := file.readline():
                _decode(first)
    except msgspec.MsgspecError:
        raise WrongUsage(f"--record {path}: it is there, and no recording", hint="name another file") from None


class Replay:
    """A source of what was kept.

    Args:
        path: of the file.
        paced: wait as long between two looks as it was when they came.

    Raises:
        WrongUsage: the file cannot be read, or holds nothing.
    """

    def __init__(self, path: Path, *, paced: bool = True) -> None:
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise WrongUsage(f"--replay {path}: {error.strerror}", hint="qctl top --record FILE makes one") from None
        try:
            self._left = [_decode(line) for line in lines if line.strip()]
        except msgspec.MsgspecError as error:
            raise WrongUsage(f"--replay {path}: no recording of qctl top ({error})") from None
        if not self._left:
            raise WrongUsage(f"--replay {path}: it holds nothing")
        self._left.reverse()
        self._paced = paced
        self._last: Glance | None = None

    def look(self, view: str, words: str = "") -> Glance | None:
        """The next one, when its time has come; None after the last."""
        del view, words
        if not self._left:
            return None
        glance = self._left.pop()
        if self._paced and self._last is not None:
            time.sleep(max(0.0, min(60.0, glance.at_s - self._last.at_s)))
        self._last = glance
        return glance

    def forget(self) -> None:
        """What was kept stays what it is."""
