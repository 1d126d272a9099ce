"""A connection that breaks where the test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qcore.errors import ConnectionFailed


class FlakyDriver:
    """Any driver, between whose verbs and the caller the line can be cut.

    `cut(verb)` loses the reply of the verb's next call: it took effect, and the caller does not know.
    `cut(verb, before=True)` loses the call itself: nothing happened.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._cuts: dict[str, list[bool]] = {}
        self.lost: dict[str, Any] = {}
        """The last reply of each verb that did not arrive."""

    def cut(self, verb: str, *, before: bool = False, times: int = 1) -> None:
        """Break the line at the next `times` calls of the verb."""
        self._cuts.setdefault(verb, []).extend([before] * times)

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._driver, name)
        return self._breakable(name, part) if callable(part) else part

    def _breakable(self, verb: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **named: Any) -> Any:
            cuts = self._cuts.get(verb)
            if not cuts:
                return call(*args, **named)
            before = cuts.pop(0)
            if not before:
                self.lost[verb] = call(*args, **named)
            raise ConnectionFailed(f"{verb}: the line was cut", may_have_reached=not before)

        return called
