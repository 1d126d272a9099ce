"""The caller's own SQLAlchemy session: what waits for its commit, and entities loaded anew from it.

SQLAlchemy is loaded already when a session or an entity exists; nothing here imports it before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qcore.errors import PayloadError
from qcore.later import make_all

_KEY = "qcore_after_commit"
"""Under which `session.info` holds what waits."""


def after_commit(session: Any, call: Callable[[], Any]) -> None:
    """Make a call once the session's outermost transaction has been committed.

    A rollback drops it, be it of the whole or of the savepoint it was made in; so does closing the session. A session
    without a transaction begins one, as it does for any other use of it.

    Args:
        session: an SQLAlchemy `Session`, `scoped_session` or `AsyncSession`.
        call: takes no arguments. Its error is raised from `commit()`, once every other call has been made; what was
            committed stays so.
    """
    plain = _plain(session)
    if not plain.in_transaction():
        plain.begin()  # so that there is something whose end decides
    _waiting(plain).add(_innermost(plain), call)


class _Waiting:
    """What waits for the commit of one session, by the transaction or savepoint in which it was asked for."""

    def __init__(self) -> None:
        self._calls: list[tuple[Any, Callable[[], Any]]] = []
        self._committed: Any = None

    def add(self, transaction: Any, call: Callable[[], Any]) -> None:
        self._calls.append((transaction, call))

    def committed(self, session: Any) -> None:
        """Note which transaction is being committed: this event names none, and the next one no outcome."""
        self._committed = _innermost(session)

    def ended(self, _: Any, transaction: Any) -> None:
        """Make, hand outwards or drop the calls of a transaction. Nothing of it is open any more here."""
        is_committed = transaction is self._committed
        self._committed = None if is_committed else self._committed
        mine = [call for owner, call in self._calls if owner is transaction]
        if not mine:
            return
        if is_committed and transaction.parent is not None:
            self._calls = [(transaction.parent if owner is transaction else owner, call) for owner, call in self._calls]
            return
        self._calls = [(owner, call) for owner, call in self._calls if owner is not transaction]
        if is_committed:
            make_all(mine)


def _plain(session: Any) -> Any:
    """Find the `Session` inside a scoped or an async one."""
    from sqlalchemy.orm import scoped_session

    inner = session() if isinstance(session, scoped_session) else session
    return getattr(inner, "sync_session", inner)


def _waiting(session: Any) -> _Waiting:
    """Return a session's list. Its listeners are never removed: they may be running when that would be done."""
    waiting: _Waiting | None = session.info.get(_KEY)
    if waiting is None:
        from sqlalchemy import event

        waiting = session.info[_KEY] = _Waiting()
        event.listen(session, "after_commit", waiting.committed)
        event.listen(session, "after_transaction_end", waiting.ended)
    return waiting


def _innermost(session: Any) -> Any:
    return session.get_nested_transaction() or session.get_transaction()


def load_entity(factory: Callable[[], Any] | None, cls: type, key: tuple[Any, ...]) -> Any:
    """Load an entity by its primary key through the application's session factory.

    Raises:
        PayloadError: no factory is known, or the row is gone.
    """
    if factory is None:
        raise PayloadError(
            f"a {cls.__name__} travels by its primary key, and no session is known to load it with",
            hint="call QueueManager.sessions(factory) in the app module",
        )
    entity = factory().get(cls, key if len(key) > 1 else key[0])
    if entity is None:
        raise PayloadError(f"{cls.__name__} {key[0] if len(key) == 1 else key} is gone from the database")
    return entity
