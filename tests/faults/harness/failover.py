"""What T10 asks of a failover: what the other server never heard of is lost and listed, and not a job more."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

from harness.audit import unended
from harness.scale import leases

if TYPE_CHECKING:
    from harness.hosts import Host
    from harness.producer import Producer
    from harness.rig import Rig

MOST_UNSETTLED = 2 * 12
"""Ends that wait to be settled when the server goes: two workers, a few milliseconds each."""
FAILOVER_S = 15.0


class Servers(Protocol):
    """One that has the jobs, and another that takes its place."""

    def fail_over(self) -> Collection[str]:
        """Let the first die, and return once the other serves; gives the ids that this one holds."""


def stand_failover(
    rig: Rig, servers: Servers, host: Host, producer: Producer, *, behind_at: float, loses: bool
) -> None:
    """Fail over under load, and check what became of the jobs.

    Args:
        rig: of the test.
        servers: that fail over.
        host: works meanwhile.
        producer: dispatches meanwhile.
        behind_at: since when the other server may have heard nothing (monotonic seconds).
        loses: something must have been lost, or the test would prove nothing.
    """
    at = rig.ledger.fault("failover")
    held = servers.fail_over()
    promoted_at = time.monotonic()
    gap = {one.job_id for one in rig.ledger.dispatches() if one.monotonic < promoted_at} - set(held)
    (first, *_) = rig.noted("start", since=promoted_at, within_s=30)
    rig.noted("end", 50, since=first.monotonic, within_s=30)
    producer.kill()
    rig.settled(within_s=leases(3) + 30)
    assert host.is_alive
    assert unended(rig) or not loses, "nothing was lost: the test proves nothing"
    unheard = [event for event in rig.ledger.events("end", since=behind_at) if event.monotonic < promoted_at]
    most = len(unheard) + MOST_UNSETTLED  # of an end or a lease that was forgotten nobody knows
    rig.verdict(repeats=most, overlaps=most, recovery_s=first.monotonic - at, within_s=FAILOVER_S, forgotten=gap)
