"""Flask: settings, jobs that wait for the response, and `flask queue` in place of `qctl`.

app = Flask(__name__)
app.config["QCORE"] = {"url": "redis://cache:6379/0", "app": "shop.jobs"}
Queue(app)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import click

from qcore.dispatcher import collecting
from qcore.integrations.configuring import install, open_manager
from qcore.jobs.job import Job
from qcore.later import make_all
from qcore.manager import QueueManager
from qcore.middleware import Around

if TYPE_CHECKING:
    from flask import Flask


class Queue:
    """The extension: jobs of this process go where `app.config["QCORE"]` says.

    That is a mapping of settings by the names of their flags (`url`, `app`, …), and `QUEUE_CONFIG` and `STORES`; what a
    `QCTL_` variable says beats it. A `QueueFake` that a test has installed before stays in force.

    Args:
        app: if there is one yet; else `init_app` is called with it.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set up an application; once, after its configuration is complete.

        Args:
            app: whose `config["QCORE"]` is read.

        Raises:
            ConfigurationError: a setting is wrong, or the module that `app` names cannot be imported.
        """
        install(_opened(app, {}))
        app.extensions["qcore"] = self
        app.wsgi_app = _AfterResponse(app.wsgi_app)  # type: ignore[method-assign]  # as Flask says to do
        app.cli.add_command(_command(app))


def _opened(app: Flask, flags: Mapping[str, Any]) -> QueueManager:
    return open_manager(app.config.get("QCORE", {}), flags)


def _command(app: Flask) -> click.Command:
    """`flask queue work` is `qctl work`, with the settings of the application and its context around each job."""

    def run(words: tuple[str, ...]) -> None:
        from qctl import hosting

        _wrap(app)
        hosting.run(partial(_opened, app), words)

    return click.Command(
        "queue",
        callback=run,
        params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
        help="Run a command of qctl, such as `flask queue work`.",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )


@cache
def _wrap(app: Flask) -> None:
    QueueManager.middleware(_InContext(app))


class _InContext(Around):
    """Runs jobs in an application's context, so that `current_app` and extensions work there."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    @contextmanager
    def around(self, job: Job) -> Iterator[None]:
        """Push the context."""
        del job
        with self._app.app_context():
            yield


class _AfterResponse:
    """WSGI middleware: makes the calls that waited when the server closes the response, which is after it is sent.

    Source: PEP 3333, which bids a server call `close()` of what it iterated over, however that ended.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        waiting: list[Callable[[], Any]] = []
        try:
            with collecting(waiting):
                return _Body(self._app(environ, start_response), waiting)
        except BaseException:
            make_all(waiting)
            raise


class _Body:
    """The parts of a response; whoever produces them may give more to wait."""

    def __init__(self, parts: Iterable[bytes], waiting: list[Callable[[], Any]]) -> None:
        self._parts, self._waiting = parts, waiting
        self._left = iter(parts)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with collecting(self._waiting):
            return next(self._left)

    def close(self) -> None:
        """Close what was wrapped, then make the calls, once."""
        calls, self._waiting = self._waiting, []
        try:
            close = getattr(self._parts, "close", None)
            if close is not None:
                with collecting(calls):
                    close()
        finally:
            make_all(calls)
