"""The tool inside a host: `manage.py qctl …` and `flask queue …`, with what the host configures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

import typer

from qctl import main, output
from qctl.context import Invocation
from qctl.exits import Exit

if TYPE_CHECKING:
    from qcore.manager import QueueManager

Host = Callable[[Mapping[str, Any]], "QueueManager"]
"""Opens a manager of the host's settings, which the flags given beat."""


def run(host: Host, words: Sequence[str]) -> NoReturn:
    """Run a call and leave with its exit code.

    Args:
        host: opens the manager.
        words: the command and what it is given.
    """
    _group().run_and_leave(_HostedCall(host, words), list(words))


def run_inside(host: Host, words: Sequence[str]) -> int:
    """Run a call and return its exit code, for a host that goes on; arguments as of `run`."""
    try:
        return int(_group().run_words(_HostedCall(host, words), list(words)))
    except BrokenPipeError:
        return int(Exit.OK)


def _group() -> main.LazyGroup:
    return cast("main.LazyGroup", typer.main.get_command(main.app))


class _HostedCall(Invocation):
    """A call whose manager its host opens."""

    def __init__(self, host: Host, words: Sequence[str]) -> None:
        super().__init__(output.show_logs)
        self.words = tuple(words)
        self._host = host

    def may_have_an_app(self) -> bool:
        """Whether an application module is configured: the host says so, and has imported it."""
        return super().may_have_an_app() or self.app_name() is not None

    def app_name(self) -> str | None:
        """The application module in force; raises as the host does."""
        flags = self.flags_of_the_line
        return self._host(_given(app=flags.app, config=flags.config, profile=flags.profile)).settings.app

    def _built(self) -> QueueManager:
        flags = self.flags
        return self._host(
            _given(
                url=flags.url, connection=flags.connection, app=flags.app, config=flags.config, profile=flags.profile
            )
        )


def _given(**flags: str | None) -> dict[str, str]:
    return {name: value for name, value in flags.items() if value}
