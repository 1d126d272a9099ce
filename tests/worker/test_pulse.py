"""What a supervisor tells the stores, and when: beats, reclaims, forfeits, reports, and what silence does to them."""

from __future__ import annotations

import os
from collections import Counter
from itertools import pairwise

import pytest
from pulse_world import STEP_S, TERM_S, Clock, Reachable, World

from qcore.records import WorkerCommand
from qcore.worker.errands import Beat


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def world(clock: Clock) -> World:
    return World(clock, "here")


@pytest.fixture
def worlds(clock: Clock) -> World:
    return World(clock, "here", "there")


# -- reclaim -------------------------------------------------------------------------------------------------------


def test_jobs_of_others_are_looked_for_after_a_term_of_beats_and_five_times_a_term_then(world: World) -> None:
    began_at = world.clock.now
    world.live(120)
    looks = world.store.times("reclaim")
    assert TERM_S <= looks[0] - began_at <= TERM_S + 1
    pauses = [after - before for before, after in pairwise(looks)]
    assert max(pauses) <= 3 + 2 * STEP_S
    assert min(pauses) >= 3


def test_who_looks_for_jobs_of_others_has_just_renewed_its_own(world: World) -> None:
    """Where the store's clock leaps, all leases are over at once: none of one's own may be taken for a dead host's."""
    world.child(here=["a"])
    world.live(120)
    asked = world.store.asked
    looks = [place for place, (verb, _) in enumerate(asked) if verb == "reclaim"]
    assert len(looks) > 20
    assert all(asked[place - 1] == ("heartbeat", asked[place][1]) for place in looks)


def test_a_beat_asks_the_store_also_with_nothing_in_hand(world: World) -> None:
    world.live(11)
    assert len(world.store.times("ping")) == 3
    world.child(here=["a"])
    world.live(4.25)
    assert world.store.said("heartbeat") == [("worker", ["a"], set())]
    assert len(world.store.times("ping")) == 3


def test_who_is_about_to_be_silent_beats_once_more_and_waits_for_the_answer(world: World) -> None:
    world.child(here=["a"])
    world.live(1)
    world.store.cancelled = {"a": True}
    assert len(world.store.times("heartbeat")) == 1
    world.pulse.renew(world.children, 1.0)
    assert len(world.store.times("heartbeat")) == 2
    assert world.children[0].slots.cancelled() == {"a": True}, "the answer was heard"


@pytest.mark.parametrize("silence_s", [0.5, 8.0, 40.0])
def test_an_outage_begins_the_row_anew_also_with_nothing_in_hand(world: World, silence_s: float) -> None:
    world.live(31)
    world.store.silent = {"*"}
    world.live(5 + silence_s)  # the next beat is among it
    world.store.silent = set()
    back_at = world.clock.now
    world.live(60)
    assert TERM_S <= min(at for at in world.store.times("reclaim") if at >= back_at) - back_at <= TERM_S + 6


@pytest.mark.parametrize("verb", ["report", "counts", "reclaim", "forfeit", "dismiss"])
def test_a_failed_call_of_any_kind_begins_the_row_anew(world: World, verb: str) -> None:
    child = world.child()
    world.live(31)
    world.store.silent = {verb}
    world.pulse.forfeit("dead", {})
    world.pulse.dismiss(child)
    world.pulse.counts("here", ["fast"], world.clock.now)
    world.live(4)
    world.store.silent = set()
    failed_at = max(world.store.times(verb))
    world.live(60)
    assert min(at for at in world.store.times("reclaim") if at > failed_at) - failed_at >= TERM_S


def test_a_supervisor_that_slept_gives_others_a_term_to_show_that_they_live(world: World) -> None:
    world.live(31)
    world.clock.now += 20
    woke_at = world.clock.now
    world.live(60)
    assert min(at for at in world.store.times("reclaim") if at >= woke_at) - woke_at >= TERM_S


def test_each_connection_has_a_row_of_its_own(worlds: World) -> None:
    worlds.stores["there"].silent = {"*"}
    worlds.live(40)
    assert worlds.stores["here"].times("reclaim")
    assert not worlds.stores["there"].times("reclaim")


def test_a_silent_store_is_asked_again_after_pauses_that_grow_and_differ(world: World) -> None:
    world.store.silent = {"*"}
    began_at = world.clock.now
    world.live(120)
    asked = world.store.times("ping")
    assert sum(at - began_at < 5 for at in asked) > 4
    pauses = [after - before for before, after in pairwise(asked)][-10:]
    assert 1.5 <= min(pauses) < max(pauses) <= 3 + 2 * STEP_S
    assert Counter(verb for verb, _ in world.store.asked) == {"ping": len(asked)}


# -- children ------------------------------------------------------------------------------------------------------


def test_a_child_knows_of_each_connection_how_long_its_leases_were_not_kept(worlds: World) -> None:
    child = worlds.child(here=["a"], there=["b"])
    worlds.live(10)
    worlds.stores["there"].silent = {"*"}
    worlds.live(30)
    assert child.slots.unkept_s("here") < 6
    assert 30 <= child.slots.unkept_s("there") < 36
    assert child.slots.unkept_s() == child.slots.unkept_s("there")


def test_leases_count_as_kept_since_the_store_was_asked(world: World) -> None:
    child = world.child(here=["a"])
    world.pulse.beat(world.children)
    world.clock.now += 20  # this process sleeps: the answer is old when it is read
    world.pulse.beat(world.children)
    assert child.slots.unkept_s("here") == 20


def test_a_child_is_told_of_cancellations_on_all_its_connections(worlds: World) -> None:
    child = worlds.child(here=["a", "b"], there=["c"])
    worlds.stores["here"].cancelled = {"a": False}
    worlds.stores["there"].cancelled = {"c": True}
    worlds.live(1)
    assert child.slots.cancelled() == {"a": False, "c": True}
    worlds.stores["here"].cancelled = {}
    worlds.live(6)
    assert child.slots.cancelled() == {"c": True}


def test_the_answer_to_a_dead_child_does_not_reach_its_successor(world: World) -> None:
    child = world.child(here=["a"])
    world.store.cancelled = {"a": False}
    world.pulse.beat(world.children)
    child.slots.clear()
    heir = world.memory.child(0)
    heir.open("heir")
    world.clock.now += 7
    world.pulse.beat([])
    assert heir.cancelled() == {}
    assert heir.unkept_s("here") == 7


def test_what_the_dead_held_goes_back_at_once(worlds: World) -> None:
    worlds.pulse.forfeit("dead", {"a": "why"})
    assert [store.said("forfeit") for store in worlds.stores.values()] == [[("dead", {"a": "why"})]] * 2


def test_what_the_dead_held_goes_back_once_the_store_answers(world: World) -> None:
    world.store.silent = {"*"}
    world.pulse.forfeit("dead", {"a": "why"})
    world.pulse.forfeit("other", {})
    world.live(60)
    assert len(world.store.times("forfeit")) < 5
    world.store.silent = set()
    world.live(6)
    assert sorted(world.store.said("forfeit")) == [("dead", {"a": "why"}), ("other", {})]
    world.live(60)
    assert len(world.store.said("forfeit")) == 2


def test_a_closing_pulse_gives_back_what_the_dead_held(world: World) -> None:
    child = world.child()
    world.store.silent = {"forfeit"}
    world.pulse.forfeit("dead", {})
    world.live(STEP_S)
    world.store.silent = set()
    world.pulse.dismiss(child)
    world.clock.now += 6
    world.pulse.close()
    assert world.store.said("forfeit") == [("dead", {})]
    assert world.store.said("dismiss") == [("worker",)]


# -- the registry --------------------------------------------------------------------------------------------------


def states(store: Reachable) -> list[tuple[str, str]]:
    return [(one.id, one.state) for words in store.said("report") for one in words]


def test_a_supervisor_whose_children_all_die_is_in_the_registry_itself(world: World) -> None:
    assert world.live(2.5) == []
    assert states(world.store) == []
    world.store.commands = [command := WorkerCommand("1", "supervisor", "terminate")]
    assert world.live(3) == [command]
    assert set(states(world.store)) == {("supervisor", "crashing")}
    [record, *_] = world.store.said("report")[0]
    assert (record.supervisor, record.queues, record.pid) == ("supervisor", ("fast",), os.getpid())


def test_it_leaves_the_registry_when_a_child_is_there(world: World) -> None:
    child = world.child(worker="")
    world.live(6)
    assert set(states(world.store)) == {("supervisor", "starting")}
    assert world.store.said("dismiss") == []
    child.slots.open("worker")
    world.live(2)
    assert states(world.store)[-1] == ("worker", "running")
    assert world.store.said("dismiss") == [("supervisor",)]
    world.live(20)
    assert world.store.said("dismiss") == [("supervisor",)]


def test_it_leaves_the_registry_when_it_ends(world: World) -> None:
    world.live(6)
    world.pulse.close()
    assert world.store.said("dismiss") == [("supervisor",)]


# -- counts --------------------------------------------------------------------------------------------------------


def test_counts_are_no_older_than_the_question(world: World) -> None:
    began_at = world.clock.now
    assert world.pulse.counts("here", ["fast", "slow"], began_at) is None
    world.live(STEP_S)
    counts = ["counts of fast", "counts of slow"]
    assert world.pulse.counts("here", ["fast", "slow"], began_at) == counts
    assert world.pulse.counts("here", ["fast", "slow"], began_at) == counts
    assert len(world.store.times("counts")) == 1
    assert world.pulse.counts("here", ["fast", "slow"], world.clock.now) is None
    world.live(STEP_S)
    assert world.pulse.counts("here", ["fast", "slow"], began_at + STEP_S) == counts
    assert world.store.times("counts") == [began_at, began_at + STEP_S]


def test_a_silent_store_has_no_counts_and_is_asked_again_once_it_answers(world: World) -> None:
    world.store.silent = {"*"}
    since = world.clock.now
    for _ in range(40):
        assert world.pulse.counts("here", ["fast"], since) is None
        world.live(STEP_S)
    world.store.silent = set()
    world.live(6)
    assert world.pulse.counts("here", ["fast"], since) is None
    world.live(STEP_S)
    assert world.pulse.counts("here", ["fast"], since) == ["counts of fast"]


def test_whatever_many_a_dead_host_held_is_taken_back_at_one_look() -> None:
    left = [["x"] * 1000, ["x"] * 1000, ["x"] * 7]

    class Holds:
        def ping(self) -> float:
            return 0.0

        def reclaim(self) -> list[str]:
            return left.pop(0)

    Beat((), reclaims=True)(Holds())  # type: ignore[arg-type]  # asked for nothing else
    assert left == []
