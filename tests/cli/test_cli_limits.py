"""Rate limits, as the command line shows and sets them."""

from __future__ import annotations

import pytest
from shop import Schemas, Shop

pytestmark = pytest.mark.slow

LIMITED = """
from qcore import Job, RateLimit, RateLimited


class Mail(Job, RateLimited):
    def __init__(self, user: int) -> None:
        super().__init__()
        self.user = user

    def get_rate_limits(self) -> list[RateLimit]:
        return [RateLimit(5, 3600), RateLimit(1, 60, key=f"user:{self.user}", strategy="token_bucket")]

    def handle(self) -> None: ...
"""


@pytest.fixture
def limited(shop: Shop) -> Shop:
    """Two jobs of one user, of which one ran."""
    (shop.folder / "limited.py").write_text(LIMITED)
    shop.qctl("dispatch", "limited:Mail", "[7]")
    shop.qctl("dispatch", "limited:Mail", "[7]")
    shop.qctl("work", "--stop-when-empty", "--quiet", QCTL_ALLOWED_MODULES="*")
    return shop


def test_limits_are_listed(limited: Shop, schemas: Schemas) -> None:
    answer = limited.qctl("limits", "--json").json()
    schemas.check("limits", answer)
    every, hers = answer["data"]["limits"]
    assert (every["key"], every["used"], every["left"], every["opens_in_s"]) == ("limited:Mail::3600s", 1, 4, 0)
    assert (hers["key"], hers["strategy"], hers["left"]) == ("limited:Mail:user:7:60s token_bucket", "token_bucket", 0)
    assert hers["opens_in_s"] > 0
    assert limited.qctl("queue:limits", "-o", "name").lines() == [every["key"], hers["key"]]
    page = limited.qctl("limits", "--limit", "1", "--json").json()
    assert [one["key"] for one in page["data"]["limits"]] == [every["key"]]
    rest = limited.data("limits", "--cursor", page["next_cursor"])["limits"]
    assert [one["key"] for one in rest] == [hers["key"]]


def test_there_are_none(shop: Shop) -> None:
    ended = shop.qctl("limits")
    assert (ended.out, ended.err) == ("", "no limits\n")


def test_a_queue_is_limited_and_lifted(shop: Shop, schemas: Schemas) -> None:
    answer = shop.qctl("limits", "--set", "default=1000/1h", "--strategy", "leaky_bucket", "--json").json()
    schemas.check("limits.set", answer)
    (limit,) = shop.data("limits")["limits"]
    assert (limit["key"], limit["max_attempts"], limit["left"]) == ("queue default:3600s leaky_bucket", 1000, 1000)
    assert shop.qctl("limits", "--set", "default=5/90s").out == "limited default to 5 in 1 m 30 s\n"
    assert shop.qctl("limits", "--lift", "default").out == "lifted the limit of default\n"
    assert shop.data("limits")["limits"] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--set", "default"], 2, "write --set emails=1000/1h"),
        (["--set", "default=5"], 2, "write --set emails=1000/1h"),
        (["--set", "default=5/soon"], 2, "--set"),
        (["--set", "default=5/0s"], 2, "a millisecond to a year"),
        (["--set", "default=5/1h", "--strategy", "often"], 2, "sliding_window"),
        (["--strategy", "leaky_bucket"], 2, "--strategy is for --set"),
        (["--set", "default=5/1h", "--lift", "default"], 2, "both name"),
        (["--set", "nowhere=5/1h"], 3, "no queue 'nowhere'"),
        (["--set", "default=0/1h"], 2, "max_attempts"),
    ],
)
def test_what_makes_no_sense_is_said(shop: Shop, words: list[str], code: int, said: str) -> None:
    ended = shop.qctl("limits", *words, expect=code)
    assert said in ended.err
    assert "Traceback" not in ended.err
