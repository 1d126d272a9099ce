"""The commands that stores have for a supervisor and its children.

A store gives a command again until it hears that the command was taken, for word of it may be lost on the way. Here
each is obeyed once, however often it comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qcore.records import WorkerCommand


class Inbox:
    """What was heard and is to be obeyed, and what was obeyed and is to be told to its store; by connection."""

    def __init__(self) -> None:
        self._heard: list[tuple[str, WorkerCommand]] = []
        self._taken: dict[str, dict[str, WorkerCommand]] = {}

    def hear(self, connection: str, commands: Sequence[WorkerCommand]) -> None:
        """Take note of what a store has left; what is known already is not new."""
        known = {command.id for _, command in self._heard} | self._taken.get(connection, {}).keys()
        self._heard += [(connection, command) for command in commands if command.id not in known]

    def take(self) -> list[WorkerCommand]:
        """Return what is to be obeyed now, in the order it was heard: it counts as taken from here on."""
        heard, self._heard = self._heard, []
        for connection, command in heard:
            self._taken.setdefault(connection, {})[command.id] = command
        return [command for _, command in heard]

    def taken(self, connection: str) -> tuple[WorkerCommand, ...]:
        """What was taken and the store may not know of."""
        return tuple(self._taken.get(connection, {}).values())

    def told(self, connection: str, taken: Sequence[WorkerCommand]) -> None:
        """Forget what a store was told that it was taken: it does not give that again."""
        for command in taken:
            self._taken.get(connection, {}).pop(command.id, None)

    @property
    def legacy(self) -> dict[str, tuple[WorkerCommand, ...]]:
        """What the process that this one becomes must know; what was only heard will be heard again."""
        return {connection: taken for connection in self._taken if (taken := self.taken(connection))}

    def inherit(self, legacy: Mapping[str, Sequence[WorkerCommand]]) -> None:
        """Know what the process before had taken."""
        for connection, taken in legacy.items():
            self._taken[connection] = {command.id: command for command in taken}
