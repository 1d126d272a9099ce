"""Looking at a store for the checks of its health; nothing is changed, not even old tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from qcore.errors import QueueError
from qcore.monitor.health import Observed

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings, Settings
    from qcore.drivers import Store
    from qcore.manager import QueueManager

_PAGE = 100
_HOUR_US = 3600 * 1_000_000


def observe(manager: QueueManager, connection: str | None = None, *, max_failed: int = 10) -> Observed:
    """See what the checks of a connection look at.

    Args:
        manager: whose connections are looked at.
        connection: which; the default one if None.
        max_failed: failed jobs of the last hour are counted up to one more.

    Raises:
        ConfigurationError: there is no such connection, or no client library for it.
    """
    settings = manager.settings.connection(connection)
    store = manager.look_at(settings.name)
    seen = Observed(
        connection=settings.name,
        lease_s=settings.lease_s,
        signs=_signs(manager.settings, settings),
        is_shared=store.capabilities.shared,
        auto_migrate=settings.auto_migrate,
    )
    try:
        facts = store.facts()
        if facts.revision != facts.wanted_revision:
            return replace(seen, facts=facts)
        return replace(
            seen,
            facts=facts,
            counts=tuple(store.counts()),
            workers=tuple(store.workers()),
            failed_lately=_failed_lately(store, facts.now_us - _HOUR_US, max_failed + 1),
        )
    except QueueError as error:
        return replace(seen, trouble=error.message, hint=error.hint)


def _failed_lately(store: Store, since_us: int, most: int) -> int:
    """Count jobs that failed since then, the newest first, up to so many."""
    number, cursor = 0, None
    while number < most:
        page = store.page("failed", cursor=cursor, limit=min(_PAGE, most - number))
        lately = sum((job.ended_us or 0) >= since_us for job in page.jobs)
        number, cursor = number + lately, page.next_cursor
        if cursor is None or lately < len(page.jobs):
            break
    return number


def _signs(settings: Settings, connection: ConnectionSettings) -> str:
    """What signs plain jobs; found out without making a key file."""
    if settings.signing_key or settings.verify_keys:
        return "an Ed25519 pair"
    if settings.key:
        return "the app key"
    return "" if connection.key_path is None else "the key beside the database"
