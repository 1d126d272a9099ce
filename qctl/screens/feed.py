"""Looks at the store again and again, in a thread of its own: a slow store keeps nobody from pressing a key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from textual.message import Message

from qctl.exits import Verdict

if TYPE_CHECKING:
    from qcore.monitor.glance import Glance

_LONGEST_PAUSE_S = 30.0


class GlanceArrived(Message):
    """The store answered."""

    def __init__(self, glance: Glance) -> None:
        super().__init__()
        self.glance = glance


class StoreSilent(Message):
    """The store does not answer; it is asked again."""

    def __init__(self, reason: str, hint: str, again_in_s: float) -> None:
        super().__init__()
        self.reason, self.hint, self.again_in_s = reason, hint, again_in_s


class SourceEnded(Message):
    """There is nothing more to come: what was recorded has been shown."""


class Source(Protocol):
    """Where looks come from: a store, or a recording."""

    def look(self, view: str, words: str = "") -> Glance | None:
        """One look, with the jobs of a state, of many those that hold words; None where there is none any more."""
        ...

    def forget(self) -> None:
        """Let the next look read everything anew."""
        ...


class Feed:
    """Asks a source at an interval, one question at a time.

    Args:
        source: is asked.
        post: is given what came, from the feed's thread.
        every_s: seconds between two looks.
        is_paced: the source itself waits from one look to the next, as a recording does.
    """

    def __init__(
        self, source: Source, post: Callable[[Message], object], every_s: float, *, is_paced: bool = False
    ) -> None:
        self._source = source
        self._post = post
        self.every_s = every_s
        self.view = ""
        """The state whose jobs are listed too."""
        self.words = ""
        """Of many jobs those that hold one of these are listed."""
        self._wanted = threading.Event()
        self._is_over, self._is_paced = False, is_paced
        self._asked_at: float | None = None
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="qctl-feed", daemon=True)

    @property
    def waited_s(self) -> float:
        """Seconds for which the question under way has had no answer; 0 where none is."""
        asked_at = self._asked_at
        return 0.0 if asked_at is None or self._is_paced else time.monotonic() - asked_at

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def hurry(self, *, anew: bool = False) -> None:
        """Look at once; `anew` if what was kept will not do, since something was done about it."""
        if anew:
            self._source.forget()
        self._wanted.set()

    def stop(self) -> None:
        """Look no more; a question under way is not waited for."""
        self._is_over = True
        self._wanted.set()

    def _run(self) -> None:
        while not self._is_over:
            began = time.monotonic()
            pause_s = self._look()
            if pause_s is None:
                return
            self._wanted.wait(max(0.0, pause_s - (time.monotonic() - began)))
            self._wanted.clear()

    def _look(self) -> float | None:
        """Look once; returns the seconds until the next look, or None after the last one."""
        self._asked_at = time.monotonic()
        try:
            glance = self._source.look(self.view, self.words)
        except Exception as error:  # noqa: BLE001  the screen stays, whatever a store does
            self._failures += 1
            pause_s: float = min(_LONGEST_PAUSE_S, self.every_s * (1 << min(self._failures - 1, 5)))
            verdict = Verdict(error)
            self._tell(StoreSilent(verdict.message, verdict.hint, pause_s))
            return pause_s
        finally:
            self._asked_at = None
        self._failures = 0
        if glance is None:
            self._tell(SourceEnded())
            return None
        self._tell(GlanceArrived(glance))
        return 0.0 if self._is_paced else self.every_s

    def _tell(self, message: Message) -> None:
        if not self._is_over:
            self._post(message)
