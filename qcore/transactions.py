"""The caller's own SQLAlchemy session: what waits for its commit, and entities loaded anew from it.

SQLAlchemy is loaded already when a session or an entity exists; nothing here imports it before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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
    _await_end(session, call, is_committed=True)


def after_rollback(session: Any, call: Callable[[], Any]) -> None:
    """Make a call once what the session does now was taken back, be it with a savepoint or with the whole.

    Args:
        session: as of `after_commit`.
        call: takes no arguments; what it raises is raised from whatever ends the transaction.
    """
    _await_end(session, call, is_committed=False)


def _await_end(session: Any, call: Callable[[], Any], *, is_committed: bool) -> None:
    plain = _plain(session)
    if not plain.in_transaction():
        plain.begin()  # so that there is something whose end decides
    _waiting(plain).calls.append(_Call(_innermost(plain), call, is_committed))


class _Call(NamedTuple):
    """What is to be called at the end of a transaction or savepoint."""

    owner: Any
    make: Callable[[], Any]
    is_committed: bool
    """The end it is made at; it is dropped at the other one."""


class _Waiting:
    """What waits for the end of one session's transaction, by the one, or the savepoint, in which it was asked for."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self._committed: Any = None

    def committed(self, session: Any) -> None:
        """Note which transaction is being committed: this event names none, and the next one no outcome."""
        self._committed = _innermost(session)

    def ended(self, _: Any, transaction: Any) -> None:
        """Make, hand outwards or drop the calls of a transaction. Nothing of it is open any more here."""
        is_committed = transaction is self._committed
        self._committed = None if is_committed else self._committed
        mine = [call for call in self.calls if call.owner is transaction]
        if not mine:
            return
        self.calls = [call for call in self.calls if call.owner is not transaction]
        if is_committed and transaction.parent is not None:
            self.calls += [call._replace(owner=transaction.parent) for call in mine]
            return
        make_all([call.make for call in mine if call.is_committed is is_committed])


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
