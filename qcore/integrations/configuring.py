"""What a framework's own settings say of the queues, and who takes jobs while its application runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qcore import dispatcher
from qcore.errors import ConfigurationError
from qcore.manager import QueueManager

_TABLES = ("QUEUE_CONFIG", "STORES")


def open_manager(
    told: Mapping[str, Any],
    flags: Mapping[str, Any] | None = None,
    *,
    kind: type[QueueManager] = QueueManager,
) -> QueueManager:
    """Open a manager of a framework's settings.

    Args:
        told: settings by the names of their flags (`url`, `app`, `connection`, `key`, `config`, …), and `QUEUE_CONFIG`
            and `STORES`. What the environment says by a `QCTL_` variable beats it.
        flags: what beats both.
        kind: the class of manager.

    Raises:
        ConfigurationError: a setting is wrong, or the application module cannot be imported.
    """
    if not isinstance(told, Mapping):
        raise ConfigurationError(
            f"QCORE is a {type(told).__name__}, and must be a mapping", hint='write QCORE = {"url": "redis://…"}'
        )
    plain = {name: value for name, value in told.items() if name not in _TABLES and not _in_environment(name)}
    tables = {name: told[name] for name in _TABLES if name in told}
    return kind.open(plain | dict(flags or {}), app_config=tables or None)


def _in_environment(name: str) -> bool:
    return bool(os.environ.get(f"QCTL_{name.upper()}"))


def install(manager: QueueManager) -> bool:
    """Let a manager take the jobs of this process, unless a test has installed something else, such as a fake.

    Returns:
        Whether it does.
    """
    found = dispatcher.installed()
    if found is None or type(found) in {QueueManager, type(manager)}:
        dispatcher.install(manager)
        return True
    return False


@contextmanager
def configured(source: Mapping[str, Any] | str | Path | None, flags: Mapping[str, Any]) -> Iterator[None]:
    """Let a manager take the jobs of this process during a block, and close its connections at the end.

    A fake that a test has installed stays; so does whatever is installed where nothing is said here.

    Args:
        source: a mapping in the form of `QUEUE_CONFIG`, or the path of a configuration file.
        flags: single settings that beat it.

    Raises:
        ConfigurationError: a setting is wrong, or the application module cannot be imported.
    """
    before = dispatcher.default()
    if before is not None and not source and not flags:
        yield
        return
    tables = {"QUEUE_CONFIG": source} if isinstance(source, Mapping) else {}
    file = {"config": str(source)} if source and not tables else {}
    manager = QueueManager.open({**file, **flags}, app_config=tables or None)
    is_ours = install(manager)
    try:
        yield
    finally:
        if is_ours and dispatcher.default() is manager:
            dispatcher.install(before)
        manager.close()
