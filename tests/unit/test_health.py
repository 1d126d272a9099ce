"""The checks of health, on stores that are only described."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.clock import NOON_US
from fakes.registry import worker_record

from qcore.monitor.health import CHECKS, Check, Observed, Thresholds, Verdict, checks_of, worst
from qcore.records import QueueCounts, StoreFacts, Trait

OK, DEGRADED, CRITICAL = Verdict
GB = 1024**3


def facts(**fields: Any) -> StoreFacts:
    return StoreFacts(**{"product": "Store", "version": "1", "now_us": NOON_US, "latency_s": 0.001, **fields})


def due(name: str = "mail", *, for_s: float = 1, **fields: Any) -> QueueCounts:
    return QueueCounts(name=name, pending=1, oldest_due_us=NOON_US - round(for_s * 1e6), **fields)


def seen(**fields: Any) -> Observed:
    usual = {"facts": facts(), "counts": (), "workers": (), "failed_lately": 0, "signs": "the app key"}
    return Observed(**{"connection": "default", **usual, **fields})


def check(name: str, observed: Observed, **thresholds: Any) -> Check:
    """The one check of that name."""
    [found] = [one for one in checks_of(observed, Thresholds(**thresholds)) if one.name == name]
    return found


def worker(*queues: str, silent_s: float = 0) -> Any:
    return worker_record(id="w", queues=queues, beat_us=NOON_US - round(silent_s * 1e6))


TABLE: list[tuple[str, Observed, Verdict]] = [
    ("store", seen(), OK),
    ("store", seen(facts=facts(latency_s=0.3)), DEGRADED),
    ("store", seen(facts=facts(latency_s=3.0)), CRITICAL),
    ("store", seen(facts=None, trouble="refused"), CRITICAL),
    ("migrations", seen(facts=facts(revision="2", wanted_revision="2")), OK),
    ("migrations", seen(facts=facts(wanted_revision="2")), OK),
    ("migrations", seen(facts=facts(revision="1", wanted_revision="2")), DEGRADED),
    ("migrations", seen(facts=facts(revision="1", wanted_revision="2"), auto_migrate=False), CRITICAL),
    ("migrations", seen(facts=facts(wanted_revision="2"), auto_migrate=False), CRITICAL),
    ("migrations", seen(facts=facts(revision="9", wanted_revision="2", is_known_revision=False)), CRITICAL),
    ("workers", seen(), OK),
    ("workers", seen(counts=(due(),), workers=(worker("mail"),)), OK),
    ("workers", seen(counts=(due(),)), CRITICAL),
    ("workers", seen(counts=(due(),), workers=(worker("other"),)), CRITICAL),
    ("workers", seen(counts=(due(),), workers=(worker("mail", silent_s=16),)), CRITICAL),
    ("workers", seen(counts=(due(paused=True),)), OK),
    ("workers", seen(counts=(QueueCounts(name="mail", delayed=5),)), OK),
    ("stale", seen(workers=(worker("mail", silent_s=14),)), OK),
    ("stale", seen(workers=(worker("mail", silent_s=16),)), DEGRADED),
    ("wait", seen(counts=(due(for_s=300),)), OK),
    ("wait", seen(counts=(due(for_s=301),)), DEGRADED),
    ("wait", seen(counts=(due(for_s=3001),)), CRITICAL),
    ("wait", seen(counts=(due(for_s=3001, paused=True),)), OK),
    ("failed", seen(failed_lately=10), OK),
    ("failed", seen(failed_lately=11), DEGRADED),
    ("writing", seen(facts=facts(writing=Trait.of_writing("a", "on", reads_only=False, remedy=""))), OK),
    ("writing", seen(facts=facts(writing=Trait.of_writing("a", "on", reads_only=True, remedy="set it"))), CRITICAL),
    ("disk", seen(facts=facts(free_bytes=2 * GB, file_bytes=1)), OK),
    ("disk", seen(facts=facts(free_bytes=GB // 2)), DEGRADED),
    ("disk", seen(facts=facts(free_bytes=GB // 20)), CRITICAL),
    ("memory", seen(facts=facts(memory_bytes=1, memory_limit_bytes=0)), OK),
    ("memory", seen(facts=facts(memory_bytes=80, memory_limit_bytes=100)), OK),
    ("memory", seen(facts=facts(memory_bytes=81, memory_limit_bytes=100)), DEGRADED),
    ("memory", seen(facts=facts(memory_bytes=96, memory_limit_bytes=100)), CRITICAL),
    ("clock", seen(facts=facts(skew_s=-1.9)), OK),
    ("clock", seen(facts=facts(skew_s=-2.1)), DEGRADED),
    ("clock", seen(facts=facts(skew_s=61.0)), CRITICAL),
    ("key", seen(), OK),
    ("key", seen(signs=""), DEGRADED),
    ("key", seen(signs="", is_shared=False), OK),
    ("durability", seen(facts=facts(durability=(Trait(name="a", value="on"),))), OK),
    ("durability", seen(facts=facts(durability=(Trait(name="a", value="off", risk="loss"),))), DEGRADED),
    ("eviction", seen(facts=facts(eviction=Trait(name="a", value="lru", risk="loss", is_grave=True))), CRITICAL),
    ("library", seen(facts=facts(library=Trait(name="a", value="1", risk="race"))), DEGRADED),
]


@pytest.mark.parametrize(("name", "observed", "verdict"), TABLE)
def test_a_check(name: str, observed: Observed, verdict: Verdict) -> None:
    found = check(name, observed)
    assert found.verdict is verdict, found
    assert found.found
    assert "\n" not in found.found
    assert found.connection == "default"


def test_every_check_is_in_the_table() -> None:
    assert {name for name, _, _ in TABLE} == set(CHECKS)


def test_what_cannot_be_seen_is_not_judged() -> None:
    assert [one.name for one in checks_of(seen(facts=None, counts=None, workers=None, failed_lately=None))] == [
        "store",
        "key",
    ]
    old = seen(facts=facts(revision="1", wanted_revision="2"), counts=None, workers=None, failed_lately=None)
    assert {one.name for one in checks_of(old)} == {"store", "migrations", "clock", "key"}


def test_a_queue_may_have_a_threshold_of_its_own() -> None:
    observed = seen(counts=(due("fast", for_s=20), due("slow", for_s=200)))
    assert check("wait", observed, max_wait_of={"fast": 10}).found == "fast: due for 20 s (at most 10 s)"
    assert check("wait", observed, max_wait_s=10, max_wait_of={"fast": 60}).found.startswith("slow:")


def test_the_unserved_queues_are_named_with_what_to_do() -> None:
    found = check("workers", seen(counts=(due("a"), due("b"), due("c")), workers=(worker("b"),)))
    assert found.found == "nobody serves a (1 waiting), c (1 waiting)"
    assert found.remedy == "qctl work --queue a,c"


def test_the_worst_is_that_of_the_whole() -> None:
    checks = [Check(name=one.value, verdict=one, found="x") for one in (OK, CRITICAL, DEGRADED)]
    assert (worst(checks), worst(checks[:1]), worst([])) == (CRITICAL, OK, OK)
