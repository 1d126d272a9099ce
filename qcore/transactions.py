"""The caller's own SQLAlchemy session: what waits for its commit, and entities loaded anew from it.

SQLAlchemy is loaded already when a session or an entity exists; nothing here imports it before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qcore.errors import PayloadError


def after_commit(session: Any, call: Callable[[], Any]) -> None:
    """Make a call once the session's transaction has been committed; a rollback drops it.

    Args:
        session: an SQLAlchemy `Session`; with none of its transactions open the call is made at once.
        call: takes no arguments; its error is raised from `commit()`.
    """
    if not session.in_transaction():
        call()
        return
    from sqlalchemy import event

    def forget() -> None:
        event.remove(session, "after_commit", committed)
        event.remove(session, "after_rollback", rolled_back)

    def committed(_: Any) -> None:
        forget()
        call()

    def rolled_back(_: Any) -> None:
        forget()

    event.listen(session, "after_commit", committed)
    event.listen(session, "after_rollback", rolled_back)


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
