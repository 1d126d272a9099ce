"""Somebody vanishes in the middle of a transaction: on a server its locks are freed, and nobody waits for hours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fakes.values import completed, envelope
from fakes.worker import FakeWorker
from sqlalchemy import Engine

from qcore.errors import ConnectionFailed

TIMEOUT_S = 0.5
FREED_WITHIN_S = 5.0
"""Twice the timeout, in whole seconds where the server counts so, and a wait for the lock."""


def test_who_fell_silent_in_a_transaction_holds_up_nobody(make_store: Callable[..., Any], engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("the kernel frees the locks of whoever dies")
    vanished, other = make_store(timeout_s=TIMEOUT_S), make_store(timeout_s=TIMEOUT_S)
    vanished.push([envelope()])
    lease = FakeWorker(vanished).reserve_one()
    has_settled, is_back = threading.Event(), threading.Event()

    def settle_and_fall_silent(connection: Any) -> None:
        vanished._settling.apply(connection, [completed(lease)])
        has_settled.set()
        is_back.wait(2 * FREED_WITHIN_S)

    with ThreadPoolExecutor(1) as thread:
        silent = thread.submit(vanished._link.run, settle_and_fall_silent)
        assert has_settled.wait(FREED_WITHIN_S)
        try:
            assert not _settled(other, lease)
        finally:
            is_back.set()
        with pytest.raises(ConnectionFailed):
            silent.result(FREED_WITHIN_S)
    (counts,) = other.counts()
    assert (counts.completed, counts.processing) == (1, 0)


def _settled(store: Any, lease: Any) -> list[Any]:
    """Settle a lease as soon as nobody holds it up; returns what was refused."""
    until = time.monotonic() + FREED_WITHIN_S
    while True:
        try:
            return list(store.settle([completed(lease)]))
        except ConnectionFailed:
            if time.monotonic() > until:
                raise
