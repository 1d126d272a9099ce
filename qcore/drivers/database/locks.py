"""The statements about locks, each built and compiled at its first use and kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, case, delete, null, or_, select, update

from qcore.drivers.database.operations import Operations
from qcore.drivers.database.schema import EXCLUSIVE, UNTIL_START
from qcore.drivers.database.statements import literally

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from qcore.drivers.database.prepared import Prepared

LOCK = ("name", "owner", "kind", "for_us")
"""What a lock to be taken is given as."""
HELD = ("name", "owner", "first_us", "until_us")


class LockStatements(Operations):
    """What is said of the keys that jobs hold."""

    @cached_property
    def claim(self) -> Prepared:
        """Take one lock, given as `LOCK`, unless somebody holds it; either way its row is held until the commit."""
        values = {name: bindparam(name, type_=self._locks.c[name].type) for name in ("name", "owner", "kind")}
        taken = {"taken_us": self.dialect.now, "first_us": self.dialect.now, "until_us": self._until()}
        return self.prepared(self.dialect.upsert(self._locks, {**values, **taken}, setting=("name",)))

    @cached_property
    def holders(self) -> Prepared:
        """Those of the locks `names` that are held, as `HELD`, then the instant; held in order."""
        locks = self._locks.c
        chosen = select(*(locks[name] for name in HELD), self.dialect.now)
        chosen = chosen.where(self.dialect.among(locks.name, "names")).order_by(locks.name)
        return self.prepared(self.dialect.locked(chosen))

    @cached_property
    def lasting(self) -> Prepared:
        """Those of the locks `names` that hold now; held up by nobody and holding nobody up."""
        chosen = select(self._locks.c.name)
        return self.prepared(chosen.where(self.dialect.among(self._locks.c.name, "names"), self._lasts))

    @cached_property
    def take_over(self) -> Prepared:
        """Let a lock that is held have another owner, as if that had been first at `began_us`."""
        values = {
            "owner": bindparam("new_owner"),
            "kind": bindparam("new_kind"),
            "taken_us": self.dialect.now,
            "first_us": bindparam("began_us", type_=BigInteger),
            "until_us": self._until(),
        }
        return self.prepared(update(self._locks).values(values).where(self._locks.c.name == bindparam("of_name")))

    @cached_property
    def free(self) -> Prepared:
        """Free the locks of the jobs `ids`."""
        return self.prepared(delete(self._locks).where(self._are_owners))

    @cached_property
    def free_until_start(self) -> Prepared:
        """Free those of the jobs `ids` that last until a start."""
        return self.prepared(delete(self._locks).where(self._are_owners, self._locks.c.kind == literally(UNTIL_START)))

    @cached_property
    def free_exclusive(self) -> Prepared:
        """Free those of the jobs `ids` that last as long as a lease."""
        return self.prepared(delete(self._locks).where(self._are_owners, self._locks.c.kind == literally(EXCLUSIVE)))

    @cached_property
    def free_key(self) -> Prepared:
        """Free the lock `key`, if it holds."""
        return self.prepared(delete(self._locks).where(self._locks.c.name == bindparam("key"), self._lasts))

    @cached_property
    def free_key_of(self) -> Prepared:
        """Free the lock `key`, if it holds and is the job's `job_id`."""
        is_owner = self._locks.c.owner == bindparam("job_id")
        return self.prepared(delete(self._locks).where(self._locks.c.name == bindparam("key"), is_owner, self._lasts))

    @cached_property
    def forget_over(self) -> Prepared:
        """Forget locks whose time has run out."""
        return self.prepared(delete(self._locks).where(self._locks.c.until_us <= self.dialect.now))

    @cached_property
    def mark_job(self) -> Prepared:
        """Note which lock a job asked for."""
        values = {name: bindparam(f"its_{name}", type_=self.jobs.c[name].type) for name in ("lock_name", "lock_kind")}
        values["lock_for_us"] = bindparam("its_lock_for_us", type_=BigInteger)
        return self.prepared(update(self.jobs).values(values).where(self.jobs.c.id == bindparam("job_id")))

    @cached_property
    def asked(self) -> Prepared:
        """Which lock each of the failed jobs `ids` asked for, as `LOCK`; of those alone that asked for one."""
        failed = self.failed.c
        chosen = select(failed.lock_name, failed.id, failed.lock_kind, failed.lock_for_us)
        return self.prepared(chosen.where(self.dialect.among(failed.id, "ids"), failed.lock_name.is_not(None)))

    @cached_property
    def page(self) -> Prepared:
        """The first `most` locks that hold after the name `after`: name, kind, owner, taken, until."""
        locks = self._locks.c
        chosen = select(locks.name, locks.kind, locks.owner, locks.taken_us, locks.until_us)
        chosen = chosen.where(locks.name > bindparam("after"), self._lasts)
        return self.prepared(chosen.order_by(locks.name).limit(bindparam("most")))

    @property
    def _locks(self) -> Any:
        return self.tables.locks

    @property
    def _are_owners(self) -> ColumnElement[bool]:
        return self.dialect.among(self._locks.c.owner, "ids")

    @property
    def _lasts(self) -> ColumnElement[bool]:
        return or_(self._locks.c.until_us.is_(None), self._locks.c.until_us > self.dialect.now)

    def _until(self) -> ColumnElement[Any]:
        for_us = bindparam("for_us", type_=BigInteger)
        return case((for_us > literally(0), self.dialect.now + for_us), else_=null())
