"""How processes that a command starts are led to the same store: by flags, and what is secret by their environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from qctl.context import Invocation

QCTL = (sys.executable, "-m", "qctl")
_URL, _CONNECTION = "QCTL_URL", "QCTL_CONNECTION"


def flags_of(call: Invocation) -> list[str]:
    """The flags of a call that lead a process of its own to the same store, beside what `told` tells it."""
    flags = call.flags
    given = {"--connection": flags.connection, "--profile": flags.profile, "--app": flags.app, "--config": flags.config}
    return [word for name, value in given.items() if value for word in (name, value)]


@contextmanager
def told(call: Invocation) -> Iterator[None]:
    """Let processes made within know the URL of the line: by their environment, since everybody sees a command line."""
    before = {name: os.environ.get(name) for name in (_URL, _CONNECTION)}
    if call.flags.url is not None:
        os.environ[_URL] = call.flags.url
        if call.flags.connection is None and os.environ.get(_CONNECTION) != call.connection.name:
            os.environ.pop(_CONNECTION, None)  # the URL beat it here; there both would have one rank
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
