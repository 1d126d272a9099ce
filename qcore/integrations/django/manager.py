"""A queue manager that knows of Django's transactions, opened of Django's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, transaction

from qcore.integrations.configuring import open_manager
from qcore.jobs.classes import JobClasses
from qcore.manager import QueueManager


class DjangoManager(QueueManager):
    """Dispatches jobs with `after_commit` once Django's transaction is committed, and not at all if it is taken back.

    Which transaction: that of the default database, or of the one whose alias is given as `session`.
    """

    def _store(self, sealed: Any, session: Any) -> Sequence[str | None]:
        alias = DEFAULT_DB_ALIAS if session is None else session
        if not isinstance(alias, str):  # a session of SQLAlchemy's
            return super()._store(sealed, session)
        connection, store, jobs, envelopes = sealed
        waiting = [envelope for envelope, job in zip(envelopes, jobs, strict=True) if job.after_commit]
        if not waiting or not _is_open(alias):
            return super()._store(sealed, None)
        direct = [envelope for envelope, job in zip(envelopes, jobs, strict=True) if not job.after_commit]
        ids = iter(self._push(store, connection, direct) if direct else ())
        transaction.on_commit(partial(self._push, store, connection, waiting), using=alias)
        return [envelope.id if job.after_commit else next(ids) for envelope, job in zip(envelopes, jobs, strict=True)]


def _is_open(alias: str) -> bool:
    """Whether this thread is in a transaction; asked so that an event loop, in which there is none, may ask too."""
    connection = transaction.get_connection(alias)
    return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)


def opened(flags: Mapping[str, Any]) -> QueueManager:
    """Open a manager of `settings.QCORE`. Where nothing says whose jobs may run here, those of the installed apps may.

    Args:
        flags: settings that beat it.

    Raises:
        ConfigurationError: a setting is wrong, or the application module cannot be imported.
    """
    manager = open_manager(getattr(settings, "QCORE", {}), flags, kind=DjangoManager)
    if manager.settings.allowed_modules is None and manager.settings.app is None:
        root = str(getattr(settings, "ROOT_URLCONF", "")).partition(".")[0]
        manager.classes = JobClasses({config.name for config in apps.get_app_configs()} | ({root} - {""}))
    return manager
