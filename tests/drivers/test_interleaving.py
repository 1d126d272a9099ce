"""Two things happen to one leased job, in both orders: each pair of verbs leaves it in one place, counted once.

What is right of a pair is what the store in memory makes of it, which is small enough to be read; and whatever is
left can be worked off. Each pair has a queue and a worker of its own, so that one store serves them all. Two that
happen at once are in `test_midway`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from fakes.leases import let_pass
from fakes.store import URLS, StoreUnderTest
from leased_case import (
    Verb,
    became,
    begin,
    cancel,
    clear,
    close,
    complete,
    delete,
    fail,
    forfeit,
    heartbeat,
    leased,
    pause,
    release,
    retry,
    revive,
    stop,
    work_off,
)
from servers.stores import settings_for

from qcore.drivers import open_store

TERM_S = 0.3
LONG_S = 60.0
VERBS: list[Verb] = [complete, fail, release, heartbeat, cancel, pause, clear, retry, forfeit]
OF_FLOWS: list[Verb] = [stop, revive, close, delete]

Told = dict[str, tuple[Any, ...]]


def pairs(driver: Any, leasing: Any) -> Told:
    """Every two of the verbs that concern one job, one after the other."""
    return _told(
        driver, leasing, {f"{one.__name__}, {other.__name__}": [one, other] for one, other in product(VERBS, VERBS)}
    )


def pairs_of_flows(driver: Any, leasing: Any) -> Told:
    """Every two of which one concerns the batch whose only member the job is, in both orders."""
    verbs = [*VERBS, *OF_FLOWS]
    both = [(one, other) for one, other in product(verbs, verbs) if one in OF_FLOWS or other in OF_FLOWS]
    return _told(driver, leasing, {f"{one.__name__}, {other.__name__}": [one, other] for one, other in both})


def before_reclaim(driver: Any, leasing: Any) -> Told:
    """Each verb, then what has lapsed is taken back."""
    return _told(
        driver, leasing, {f"{one.__name__}, reclaim": [one] for one in [*VERBS, *OF_FLOWS]}, reclaims_after=True
    )


def after_reclaim(driver: Any, leasing: Any) -> Told:
    """What has lapsed is taken back, then each verb comes too late."""
    return _told(
        driver, leasing, {f"reclaim, {one.__name__}": [one] for one in [*VERBS, *OF_FLOWS]}, reclaims_before=True
    )


@pytest.mark.parametrize("store", URLS, indirect=True)
@pytest.mark.parametrize("scene", [pairs, pairs_of_flows, before_reclaim, after_reclaim])
def test_both_orders(store: StoreUnderTest, scene: Callable[[Any, Any], Told]) -> None:
    reference = open_store(settings_for("", lease_s=TERM_S))
    expected = scene(reference, reference)
    found = scene(store.open(lease_s=LONG_S), store.open(lease_s=TERM_S))
    assert len(found) == len(expected)
    assert {name: told for name, told in found.items() if told != expected[name]} == {}


def _told(
    driver: Any,
    leasing: Any,
    cases: dict[str, list[Verb]],
    *,
    reclaims_before: bool = False,
    reclaims_after: bool = False,
) -> Told:
    """Let verbs happen to a leased job each; returns what they said, and what has become of the job.

    The leases are of another connection, so that they lapse soon; what a verb renews lasts as long as the test.
    """
    held = {name: leased(leasing, number) for number, name in enumerate(cases)}
    for case in held.values():
        begin(case)
    if reclaims_before or reclaims_after:
        let_pass(driver, 1.5 * TERM_S)
    taken = set(driver.reclaim()) if reclaims_before else set()
    said = {name: [verb(driver, held[name]) for verb in verbs] for name, verbs in cases.items()}
    taken |= set(driver.reclaim()) if reclaims_after else set()
    counts = {one.name: one for one in driver.counts([case.queue for case in held.values()])}
    told: Told = {}
    for name, case in held.items():
        told[name] = (said[name], case.lease.id in taken, *became(driver, case, counts[case.queue], name))
    for name, case in held.items():
        work_off(driver, case, name)
    return told
