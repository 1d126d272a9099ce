"""The children that are left when a supervisor re-executed itself and finds no code to make others with."""

from __future__ import annotations

from collections.abc import Callable

from qcore.worker.children import Child, Duty
from qcore.worker.group import Group
from qcore.worker.slots import ChildSlots


class Remnant(Group):
    """All children of the supervisor before: they serve on, and none of them has a successor.

    Args:
        say: told what is therefore not done.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(Duty((), ""), _serve_nothing, 0)
        self._say = say
        self._has_said = False

    @property
    def missing(self) -> int:
        """None, however many have ended."""
        return 0

    def claim(self, children: list[Child]) -> list[Child]:
        """Take them all."""
        self.children = children
        return []

    def resize(self, step: int, most: int) -> str:
        """Refuse."""
        del step, most
        return "not scaled: there is no code to make worker processes with"

    def dismiss(self, child: Child, *, replaced: bool) -> None:
        """Let one child stop, unless it is to be replaced."""
        if replaced:
            self._say(f"worker process {child.pid} goes on: there is no code to replace it with")
        else:
            child.leave()

    def bury(self, child: Child, code: int) -> float | None:
        """Let go of a dead child, and say once that nobody comes after it."""
        self.children.remove(child)
        if child.is_leaving:
            return None
        if not self._has_said:
            self._has_said = True
            self._say("worker processes that end have no successors until there is code that can be imported")
        return None if child.ended_well(code) else 0.0


def _serve_nothing(slots: ChildSlots) -> int:
    raise NotImplementedError(slots)
