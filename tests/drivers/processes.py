"""Real processes that work on one store at the same time."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Iterable
from contextlib import closing
from multiprocessing.connection import Connection
from typing import Any

from qcore.config import ConnectionSettings
from qcore.drivers import open_store

_DEADLINE_S = 60.0
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["sqlalchemy", "alembic", "psycopg", "pymysql", "redis"])


def run_together(
    settings: ConnectionSettings, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]
) -> list[Any]:
    """Call `function(driver, *arguments)` in a process of its own for each of the arguments.

    Every process has opened its driver before the first of them begins. Returns what each returned.
    """
    calls = list(arguments)
    start = _context.Barrier(len(calls))
    started = [_start(settings, function, call, start) for call in calls]
    answers = [_answer(reply) for _, reply in started]
    for process, _ in started:
        process.join(_DEADLINE_S)
    failures = [answer for is_fine, answer in answers if not is_fine]
    assert not failures, failures[0]
    return [answer for _, answer in answers]


def _start(settings: ConnectionSettings, function: Callable[..., Any], call: tuple[Any, ...], start: Any) -> Any:
    ours, theirs = _context.Pipe(duplex=False)
    process = _context.Process(target=_run, args=(settings, function, call, start, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _answer(reply: Connection) -> tuple[bool, Any]:
    with reply:
        assert reply.poll(_DEADLINE_S), "the process did not answer"
        try:
            is_fine, answer = reply.recv()
        except EOFError:
            return False, "the process died"
        return is_fine, answer


def _run(
    settings: ConnectionSettings,
    function: Callable[..., Any],
    call: tuple[Any, ...],
    start: Any,
    reply: Connection,
) -> None:
    try:
        with closing(open_store(settings)) as driver:
            driver.ping()
            start.wait(_DEADLINE_S)
            reply.send((True, function(driver, *call)))
    except Exception:  # noqa: BLE001  whatever it is, the test tells it
        start.abort()
        reply.send((False, traceback.format_exc()))
