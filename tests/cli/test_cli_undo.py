"""`qctl restore`: what clear and forget dropped comes back, but for what cannot."""

from __future__ import annotations

import pytest
from shop import Schemas, Shop

pytestmark = pytest.mark.slow
UNIQUE = """
from qcore import Job, ShouldBeUnique, batch, BatchableJob

class Only(Job, ShouldBeUnique):
    tries = 1

    def __init__(self, how: str = "") -> None:
        self.how = how

    def handle(self) -> None:
        assert not self.how

class Member(BatchableJob):
    def _handle(self) -> None: ...
"""


def test_what_was_cleared_comes_back(busy: Shop, schemas: Schemas) -> None:
    cleared = busy.qctl("clear", "default", "--yes", "--json").json()
    schemas.check("clear", cleared)
    assert busy.count("pending") == 0
    answer = busy.qctl("restore", cleared["data"]["token"], "--json").json()
    schemas.check("restore", answer)
    assert (answer["data"]["matched"], answer["data"]["changed"], answer["data"]["failed"]) == (2, 2, [])
    assert (busy.count("pending"), busy.count("delayed")) == (1, 1)


def test_what_was_forgotten_comes_back_as_new(busy: Shop) -> None:
    job_id = busy.qctl("failed", "-o", "name").lines()[0]
    said = busy.qctl("forget", job_id).err
    assert said.startswith("to undo that within a day: qctl restore ")
    assert busy.qctl(*said.split()[-2:], "-o", "table").out == "restored 1 job\n"
    job = busy.data("show", job_id)
    assert (job["state"], job["attempts"]) == ("pending", 0)


def test_all_that_match_may_be_missed_too(busy: Shop) -> None:
    answer = busy.qctl("failed", "--forget", "--yes", "--json").json()
    assert busy.qctl("restore", answer["data"]["token"]).code == 0
    assert busy.count("pending") == 3


def test_what_cannot_come_back_is_named(shop: Shop, schemas: Schemas) -> None:
    (shop.folder / "more.py").write_text(UNIQUE)
    shop.python("from more import *\nOnly.dispatch()\nbatch([Member()]).dispatch()")
    token = shop.qctl("clear", "default", "--yes", "--json").json()["data"]["token"]
    shop.python("from more import *\nOnly.dispatch()")
    ended = shop.qctl("restore", token, "--json", expect=1)
    schemas.check("restore", ended.json())
    reasons = {one["reason"] for one in ended.json()["data"]["failed"]}
    assert reasons == {"another job holds its unique lock", "it belonged to a batch, chain or graph"}
    shop.qctl("work", "--stop-when-empty", "--quiet")
    assert "restored 1 job; 1 job stayed dropped" in shop.qctl("restore", token, "-o", "table", expect=1).out


def test_what_cannot_be_retried_is_named(shop: Shop) -> None:
    (shop.folder / "more.py").write_text(UNIQUE)
    shop.python("from more import *\nOnly('badly').dispatch()")
    shop.qctl("work", "--stop-when-empty", "--quiet")
    shop.python("from more import *\nOnly().dispatch()")
    (failed,) = shop.qctl("failed", "--class", "more:Only", "-o", "name").lines()
    assert "another job holds its unique lock" in shop.qctl("retry", "--class", "more:Only", expect=3).err
    assert "another job holds its unique lock" in shop.qctl("retry", failed, expect=3).err
    shop.qctl("work", "--stop-when-empty", "--quiet")
    shop.qctl("retry", failed)


def test_nothing_is_known_of_a_token(busy: Shop) -> None:
    assert "nothing was dropped under nope" in busy.qctl("restore", "nope", expect=3).err
    token = busy.qctl("clear", "default", "--yes", "--json").json()["data"]["token"]
    busy.qctl("restore", token)
    busy.qctl("restore", token, expect=3)


@pytest.mark.parametrize("words", [["clear", "default", "--yes"], ["forget", "--where", "queue:mail", "--yes"]])
def test_for_good_is_for_good(words: list[str], busy: Shop, schemas: Schemas) -> None:
    ended = busy.qctl(*words, "--for-good", "--json")
    schemas.check(words[0], ended.json())
    assert ended.json()["data"]["token"] is None
    assert "restore" not in ended.err


def test_nothing_dropped_is_nothing_to_undo(shop: Shop) -> None:
    shop.qctl("dispatch", "shop:Add", "[1]", "--queue", "other")
    assert shop.qctl("forget", "--where", "queue:other", "--yes", "--json").json()["data"]["token"] is None
