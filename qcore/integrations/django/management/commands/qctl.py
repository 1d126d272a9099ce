"""`manage.py qctl work` is `qctl work`, with Django's settings."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections, connections

from qcore.integrations.django.manager import opened
from qcore.jobs.job import Job
from qcore.manager import QueueManager
from qcore.middleware import Around
from qctl import hosting


class Command(BaseCommand):  # type: ignore[misc]  # Django comes without types
    """Hands the whole line to `qctl`."""

    help = "Run a command of qctl, such as `manage.py qctl work`."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Run it and leave with its exit code; every flag is qctl's."""
        _prepare()
        hosting.run(opened, argv[2:])

    def add_arguments(self, parser: Any) -> None:
        """Take words, for `call_command("qctl", "stats")`."""
        parser.add_argument("args", nargs=argparse.REMAINDER)

    def handle(self, *words: str, **_options: Any) -> None:
        """Run it for a program, which goes on where its exit code is 0, and gets a SystemExit with it elsewhere."""
        _prepare()
        code = hosting.run_inside(opened, words)
        if code:
            sys.exit(code)


@cache
def _prepare() -> None:
    """Let no process inherit a connection to a database, and no job use one that the database has closed."""
    os.register_at_fork(before=connections.close_all)
    QueueManager.middleware(_FreshConnections())


class _FreshConnections(Around):
    """Does for a job what Django does for a request: connections that are too old or broken are closed."""

    @contextmanager
    def around(self, job: Job) -> Iterator[None]:
        """Look before the job, and after it."""
        del job
        close_old_connections()
        try:
            yield
        finally:
            close_old_connections()
