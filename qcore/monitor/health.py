"""Whether all is well: checks that look at what was seen of a store, and ask nothing themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum

import msgspec

from qcore.records import QueueCounts, StoreFacts, Trait, WorkerRecord

_MB, _GB = 1024.0**2, 1024.0**3


class Verdict(Enum):
    """How a check came out; the worst of all is that of the whole."""

    OK = "ok"
    DEGRADED = "degraded"
    CRITICAL = "critical"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    found: str
    """In one line, with figures."""
    remedy: str = ""
    """What to do about it, where something is to be done."""
    fixed: str = ""
    """What was done about it before it was looked at again."""
    connection: str = ""
    figures: Mapping[str, float] = {}
    """For those who keep series: seconds, bytes or counts, as the name says."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Where well ends."""

    max_wait_s: float = 300.0
    """How long a job may have been due; ten times as long is critical."""
    max_wait_of: Mapping[str, float] = {}
    """The same for single queues."""
    max_failed: int = 10
    """Jobs that may fail in an hour."""
    latency_s: tuple[float, float] = (0.25, 2.0)
    """Of an answer of the store: above them it is degraded, or critical."""
    skew_s: tuple[float, float] = (2.0, 60.0)
    memory: tuple[float, float] = (0.8, 0.95)
    """Shares of the limit."""
    free_bytes: tuple[float, float] = (_GB, _GB / 10)
    """Below them."""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """All that the checks of one connection look at."""

    connection: str
    facts: StoreFacts | None = None
    """None: the store could not be reached."""
    trouble: str = ""
    """Why not."""
    hint: str = ""
    counts: Sequence[QueueCounts] | None = None
    """None: not asked for, since that would change old tables."""
    workers: Sequence[WorkerRecord] | None = None
    failed_lately: int | None = None
    """In the last hour; one more than the threshold stands for more than it."""
    lease_s: float = 15.0
    signs: str = ""
    """What signs plain jobs; empty where nothing does."""
    is_shared: bool = True
    """Jobs leave the process that dispatches them."""
    auto_migrate: bool = True


def checks_of(seen: Observed, thresholds: Thresholds | None = None) -> tuple[Check, ...]:
    """Judge all that concerns a store, as far as it was seen."""
    limits = thresholds or Thresholds()
    found = (one for name in CHECKS for one in _CHECKS[name](seen, limits))
    return tuple(msgspec.structs.replace(one, connection=seen.connection) for one in found)


def worst(checks: Sequence[Check]) -> Verdict:
    """The verdict of all together."""
    return max((check.verdict for check in checks), key=list(Verdict).index, default=Verdict.OK)


def _graded(value: float, bounds: tuple[float, float]) -> Verdict:
    degraded, critical = bounds
    if value > critical:
        return Verdict.CRITICAL
    return Verdict.DEGRADED if value > degraded else Verdict.OK


def _store(seen: Observed, limits: Thresholds) -> Iterator[Check]:
    if seen.facts is None:
        yield Check(name="store", verdict=Verdict.CRITICAL, found=seen.trouble, remedy=seen.hint)
        return
    latency_s = seen.facts.latency_s
    verdict = _graded(latency_s, limits.latency_s)
    yield Check(
        name="store",
        verdict=verdict,
        found=f"{seen.facts.product} {seen.facts.version}".strip() + f" answers in {latency_s * 1000:.2f} ms",
        remedy="" if verdict is Verdict.OK else "look at the load of the store, and at the way there",
        figures={"latency_s": latency_s},
    )


def _migrations(seen: Observed, _: Thresholds) -> Iterator[Check]:
    facts = seen.facts
    if facts is None or facts.wanted_revision is None:
        return
    remedy, verdict = "", Verdict.OK
    if facts.revision == facts.wanted_revision:
        found = f"the tables are at revision {facts.revision}, as they should be"
    elif not facts.is_known_revision:
        found = f"the tables are of a newer version (revision {facts.revision}, known here: {facts.wanted_revision})"
        verdict, remedy = Verdict.CRITICAL, "update qctl on this host"
    else:
        has = "there are no tables yet" if facts.revision is None else f"the tables are at revision {facts.revision}"
        if not seen.auto_migrate:
            found, verdict, remedy = f"{has}, {facts.wanted_revision} is needed", Verdict.CRITICAL, "qctl migrate"
        elif facts.revision is None:
            found = f"{has}; the first use makes them"
        else:
            found, verdict = f"{has}; the next use brings them to {facts.wanted_revision}", Verdict.DEGRADED
            remedy = "qctl migrate, when it suits"
    yield Check(name="migrations", verdict=verdict, found=found, remedy=remedy)


def _workers(seen: Observed, _: Thresholds) -> Iterator[Check]:
    if seen.counts is None or seen.workers is None:
        return
    living = [one for one in seen.workers if not _is_silent(one, seen)]
    served = {queue for one in living for queue in one.queues}
    due = [one for one in seen.counts if one.oldest_due_us is not None and not one.paused]
    orphans = {one.name: one.pending + one.retrying for one in due if one.name not in served}
    figures = {"workers": float(len(living)), "queues_unserved": float(len(orphans))}
    if orphans:
        found = "nobody serves " + ", ".join(f"{name} ({number:,} waiting)" for name, number in orphans.items())
        remedy = f"qctl work --queue {','.join(orphans)}"
        yield Check(name="workers", verdict=Verdict.CRITICAL, found=found, remedy=remedy, figures=figures)
        return
    found = f"{len(living)} alive" if living else "none is alive, and nothing is due"
    yield Check(name="workers", verdict=Verdict.OK, found=found, figures=figures)


def _stale(seen: Observed, _: Thresholds) -> Iterator[Check]:
    if seen.workers is None:
        return
    silent = silent_workers(seen)
    figures = {"workers_stale": float(len(silent))}
    if not silent:
        found = f"every worker reported within {seen.lease_s:g} s"
        yield Check(name="stale", verdict=Verdict.OK, found=found, figures=figures)
        return
    found = f"{len(silent)} silent for more than {seen.lease_s:g} s: " + ", ".join(one.id for one in silent)
    remedy = "look at their hosts; others take their jobs over"
    yield Check(name="stale", verdict=Verdict.DEGRADED, found=found, remedy=remedy, figures=figures)


def silent_workers(seen: Observed) -> list[WorkerRecord]:
    """Those that have not reported for longer than a lease."""
    return [one for one in seen.workers or () if _is_silent(one, seen)]


def _is_silent(worker: WorkerRecord, seen: Observed) -> bool:
    return seen.facts is not None and seen.facts.now_us - worker.beat_us > seen.lease_s * 1e6


def _wait(seen: Observed, limits: Thresholds) -> Iterator[Check]:
    if seen.counts is None or seen.facts is None:
        return
    waits = {
        one.name: max(0.0, (seen.facts.now_us - one.oldest_due_us) / 1e6)
        for one in seen.counts
        if one.oldest_due_us is not None and not one.paused
    }
    figures = {"wait_s": max(waits.values(), default=0.0)}
    late = {name: wait_s for name, wait_s in waits.items() if wait_s > _bound(name, limits)}
    if not late:
        found = f"the oldest job has been due for {figures['wait_s']:.1f} s" if waits else "nothing is due"
        yield Check(name="wait", verdict=Verdict.OK, found=found, figures=figures)
        return
    is_much = any(wait_s > 10 * _bound(name, limits) for name, wait_s in late.items())
    yield Check(
        name="wait",
        verdict=Verdict.CRITICAL if is_much else Verdict.DEGRADED,
        found=", ".join(f"{name}: due for {s:.0f} s (at most {_bound(name, limits):g} s)" for name, s in late.items()),
        remedy="start more workers, or let them serve these queues first",
        figures=figures,
    )


def _bound(queue: str, limits: Thresholds) -> float:
    return limits.max_wait_of.get(queue, limits.max_wait_s)


def _failed(seen: Observed, limits: Thresholds) -> Iterator[Check]:
    number = seen.failed_lately
    if number is None:
        return
    is_over = number > limits.max_failed
    yield Check(
        name="failed",
        verdict=Verdict.DEGRADED if is_over else Verdict.OK,
        found=(f"more than {limits.max_failed:,}" if is_over else f"{number:,}") + " in the last hour",
        remedy="qctl failed" if is_over else "",
        figures={"failed_hour": float(number)},
    )


def _disk(seen: Observed, limits: Thresholds) -> Iterator[Check]:
    if seen.facts is None or seen.facts.free_bytes is None:
        return
    free, used = seen.facts.free_bytes, seen.facts.file_bytes or 0
    verdict = _graded(-free, (-limits.free_bytes[0], -limits.free_bytes[1]))
    yield Check(
        name="disk",
        verdict=verdict,
        found=f"{free / _GB:,.1f} GB free; the store takes {used / _MB:,.1f} MB",
        remedy="" if verdict is Verdict.OK else "make room on the disk of the store",
        figures={"free_bytes": float(free), "file_bytes": float(used)},
    )


def _memory(seen: Observed, limits: Thresholds) -> Iterator[Check]:
    if seen.facts is None or seen.facts.memory_bytes is None:
        return
    used, limit = seen.facts.memory_bytes, seen.facts.memory_limit_bytes
    figures = {"memory_bytes": float(used)}
    if not limit:
        found = f"{used / _MB:,.1f} MB used, without a limit"
        yield Check(name="memory", verdict=Verdict.OK, found=found, figures=figures)
        return
    verdict = _graded(used / limit, limits.memory)
    yield Check(
        name="memory",
        verdict=verdict,
        found=f"{used / _MB:,.1f} MB used of {limit / _MB:,.1f} MB ({used / limit:.0%})",
        remedy="" if verdict is Verdict.OK else "give the store more memory, or flush what failed long ago",
        figures=figures | {"memory_limit_bytes": float(limit)},
    )


def _clock(seen: Observed, limits: Thresholds) -> Iterator[Check]:
    if seen.facts is None:
        return
    skew_s = seen.facts.skew_s
    verdict = _graded(abs(skew_s), limits.skew_s)
    side = "ahead of" if skew_s > 0 else "behind"
    yield Check(
        name="clock",
        verdict=verdict,
        found=f"the store's clock is {abs(skew_s):.3f} s {side} this host's",
        remedy="" if verdict is Verdict.OK else "let both hosts keep time by NTP",
        figures={"skew_s": skew_s},
    )


def _key(seen: Observed, _: Thresholds) -> Iterator[Check]:
    if seen.signs or not seen.is_shared:
        found = f"jobs are signed with {seen.signs}" if seen.signs else "none is needed: jobs stay in their process"
        yield Check(name="key", verdict=Verdict.OK, found=found)
        return
    yield Check(
        name="key",
        verdict=Verdict.DEGRADED,
        found="no key is set: jobs are not signed, and whoever writes to the store may run code in workers",
        remedy="qctl key:generate, and set QCTL_KEY",
    )


def _durability(seen: Observed, _: Thresholds) -> Iterator[Check]:
    if seen.facts is not None and seen.facts.durability:
        yield _judged("durability", seen.facts.durability)


def _writing(seen: Observed, _: Thresholds) -> Iterator[Check]:
    if seen.facts is not None and seen.facts.writing is not None:
        yield _judged("writing", [seen.facts.writing])


def _eviction(seen: Observed, _: Thresholds) -> Iterator[Check]:
    if seen.facts is not None and seen.facts.eviction is not None:
        yield _judged("eviction", [seen.facts.eviction])


def _library(seen: Observed, _: Thresholds) -> Iterator[Check]:
    if seen.facts is not None and seen.facts.library is not None:
        yield _judged("library", [seen.facts.library])


def _judged(name: str, traits: Sequence[Trait]) -> Check:
    """Those that are risky, or that all are well."""
    risky = [trait for trait in traits if trait.risk]
    if not risky:
        return Check(name=name, verdict=Verdict.OK, found=", ".join(f"{one.name} {one.value}" for one in traits))
    return Check(
        name=name,
        verdict=Verdict.CRITICAL if any(one.is_grave for one in risky) else Verdict.DEGRADED,
        found="; ".join(f"{one.name} {one.value}: {one.risk}" for one in risky),
        remedy="; ".join(dict.fromkeys(one.remedy for one in risky)),
    )


_CHECKS: dict[str, Callable[[Observed, Thresholds], Iterator[Check]]] = {
    "store": _store,
    "migrations": _migrations,
    "workers": _workers,
    "stale": _stale,
    "wait": _wait,
    "failed": _failed,
    "writing": _writing,
    "disk": _disk,
    "memory": _memory,
    "clock": _clock,
    "key": _key,
    "durability": _durability,
    "eviction": _eviction,
    "library": _library,
}
CHECKS = tuple(_CHECKS)
"""Their names, in the order in which they are told."""
