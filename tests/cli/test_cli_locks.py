"""The locks of jobs, as the command line shows and frees them."""

from __future__ import annotations

import pytest
from shop import Schemas, Shop

pytestmark = pytest.mark.slow

UNIQUE = """
from qcore import Job, ShouldBeUnique, ShouldBeUniqueUntilProcessing


class Import(Job, ShouldBeUnique):
    def __init__(self, user: int) -> None:
        super().__init__()
        self.user = user

    def unique_id(self) -> str:
        return str(self.user)

    def unique_for(self) -> int:
        return 3600

    def handle(self) -> None: ...


class Rebuild(Job, ShouldBeUniqueUntilProcessing):
    def handle(self) -> None: ...
"""


@pytest.fixture
def locked(shop: Shop) -> Shop:
    """Three locks."""
    (shop.folder / "unique.py").write_text(UNIQUE)
    for words in (["unique:Import", "[7]"], ["unique:Import", "[8]"], ["unique:Rebuild"]):
        shop.qctl("dispatch", *words)
    return shop


def test_locks_are_listed(locked: Shop, schemas: Schemas) -> None:
    answer = locked.qctl("locks", "--json").json()
    schemas.check("locks", answer)
    locks = answer["data"]["locks"]
    assert [lock["key"] for lock in locks] == ["unique:Import:7", "unique:Import:8", "unique:Rebuild:"]
    assert [lock["kind"] for lock in locks] == ["unique", "unique", "until_start"]
    assert {lock["owner"] for lock in locks} == set(locked.qctl("jobs", "-o", "name").lines())
    assert 3590 < locks[0]["ends_in_s"] <= 3600
    assert locks[2]["ends_in_s"] is None
    assert locked.qctl("queue:locks", "-o", "name").lines() == [lock["key"] for lock in locks]
    page = locked.qctl("locks", "--limit", "2", "--json").json()
    assert len(page["data"]["locks"]) == 2
    rest = locked.data("locks", "--cursor", page["next_cursor"])["locks"]
    assert [lock["key"] for lock in rest] == ["unique:Rebuild:"]


def test_there_are_none(shop: Shop) -> None:
    ended = shop.qctl("locks")
    assert (ended.out, ended.err) == ("", "no locks\n")


def test_a_second_dispatch_is_a_conflict(locked: Shop) -> None:
    ended = locked.qctl("dispatch", "unique:Import", "[7]", expect=7)
    assert ended.out == ""
    assert "one waits or runs already" in ended.err


def test_a_lock_is_released(locked: Shop, schemas: Schemas) -> None:
    answer = locked.qctl("locks", "--release", "unique:Import:7", "--release", "nobody's", "--json", expect=1).json()
    schemas.check("locks.release", answer)
    assert answer["data"] == {"released": ["unique:Import:7"], "missing": ["nobody's"]}
    assert answer["warnings"] == ['no lock "nobody\'s"']
    assert locked.qctl("locks", "--release", "unique:Rebuild:").out == "released unique:Rebuild:\n"
    locked.qctl("dispatch", "unique:Import", "[7]")
    locked.qctl("work", "--stop-when-empty", "--quiet")
    assert locked.qctl("locks").out == ""


def test_what_cannot_be_released_is_told(locked: Shop) -> None:
    assert "no lock 'nothing'" in locked.qctl("locks", "--release", "nothing", expect=3).err
    locked.qctl("locks", "--release", "x", "--cursor", "y", expect=2)
    assert "read-only" in locked.qctl("locks", "--release", "unique:Rebuild:", expect=7, QCTL_READ_ONLY="1").err
