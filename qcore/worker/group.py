"""A group: the children of a supervisor that serve the same queues in the same way, and how many there should be."""

from __future__ import annotations

from qcore.worker.children import Child, Duty, Respawn, Serve


class Group:
    """Keeps `wanted` children, but for those that have done what they came for.

    Args:
        duty: of each child.
        serve: what a child does in its block; returns its exit code. Called in its own process.
        wanted: children.
        refills: one that has done enough has a successor, as in a pool; else it leaves its place empty.
    """

    def __init__(self, duty: Duty, serve: Serve, wanted: int, *, refills: bool = False) -> None:
        self.duty = duty
        self.wanted = wanted
        self.children: list[Child] = []
        self.respawn = Respawn()
        self.serve = serve
        self._refills = refills
        self._past = (0, 0.0)

    @property
    def staying(self) -> list[Child]:
        """The children that were not told to stop."""
        return [child for child in self.children if not child.is_leaving]

    @property
    def missing(self) -> int:
        """Children to make; below 0: to let go."""
        return self.wanted - len(self.staying)

    @property
    def is_serving(self) -> bool:
        """Whether all that are wanted are there and reserve jobs."""
        return self.missing <= 0 and all(child.slots.serves for child in self.staying)

    def claim(self, children: list[Child]) -> list[Child]:
        """Take those that are its own of the children of a supervisor before; returns the rest."""
        return children

    def adopt(self, child: Child) -> None:
        """Take in a child that was made for this group."""
        self.respawn.made()
        self.children.append(child)

    def shrink(self) -> None:
        """Let go of those above the number wanted, if any: idle ones first, then the youngest."""
        for _ in range(-self.missing):
            min(self.staying, key=lambda one: (bool(one.slots.running()), -one.began_at)).leave()

    def resize(self, step: int, most: int) -> str:
        """Want some children more or less, but one at the least and `most` at the most; returns what to tell of it."""
        self.wanted = max(1, min(most, self.wanted + step))
        return f"{self.wanted} worker processes from here on"

    def dismiss(self, child: Child, *, replaced: bool) -> None:
        """Let one child stop; outside a pool its place stays empty, unless it is to be replaced."""
        if not child.is_leaving and not replaced and not self._refills:
            self.wanted -= 1
        child.leave()

    def bury(self, child: Child, code: int) -> float | None:
        """Let go of a dead child.

        Returns:
            Seconds until its successor may come, where it ended out of turn; None where all is as it should be.
        """
        self.children.remove(child)
        jobs, _, busy_s = child.slots.counters
        self._past = (self._past[0] + jobs, self._past[1] + busy_s)
        has_ended_well = child.ended_well(code)
        if has_ended_well and not child.died_at_once:
            self.respawn.calm()
        elif not child.is_leaving and (self._refills or not has_ended_well):
            return self.respawn.note(child, of=self.wanted)
        if has_ended_well and code == 0 and not child.is_leaving and not self._refills:
            self.wanted -= 1  # it found nothing more to do, has reached its limit, or somebody stopped it
        return None

    @property
    def totals(self) -> tuple[int, float]:
        """Attempts, and seconds spent in jobs, of all its children so far."""
        counters = [child.slots.counters for child in self.children]
        return self._past[0] + sum(one[0] for one in counters), self._past[1] + sum(one[2] for one in counters)
