"""A driver of PostgreSQL that has the server prepare each statement at its second use, not at its sixth.

A hook (`FAULTS_HOOKS=harness.eager`): what a prepared statement breaks, it breaks at once.
"""

from __future__ import annotations

from typing import Any


def install() -> None:
    """Change what the driver does where nobody says otherwise."""
    import psycopg

    connect: Any = psycopg.Connection.connect
    connect.__func__.__kwdefaults__["prepare_threshold"] = 1
