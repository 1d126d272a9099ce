"""Commands left for a supervisor and its children: each is obeyed once, whatever is lost between here and the store."""

from __future__ import annotations

import pytest
from pulse_world import Clock, World

from qcore.records import WorkerCommand

TERMINATE = WorkerCommand("1", "supervisor", "terminate")
PAUSE = WorkerCommand("2", "worker", "pause")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(Clock(monkeypatch), "here", "there")


def test_a_command_is_obeyed_once_and_told_to_the_store_as_taken(world: World) -> None:
    world.child()
    world.store.commands = [TERMINATE, PAUSE]
    assert world.live(0.5) == [TERMINATE, PAUSE]
    assert world.store.commands == [TERMINATE, PAUSE], "nobody has said yet that they were taken"
    assert world.live(1) == []
    assert world.store.commands == []
    assert world.live(5) == []


def test_a_command_whose_way_is_lost_comes_again(world: World) -> None:
    world.child()
    world.store.commands = [PAUSE]
    world.messenger.loses = True
    assert world.live(2.5) == []
    world.messenger.loses = False
    assert world.live(6) == [PAUSE]
    assert world.store.commands == []


def test_a_command_of_which_the_store_does_not_hear_that_it_was_taken_is_not_obeyed_again(world: World) -> None:
    world.child()
    world.store.commands = [PAUSE]
    assert world.live(0.5) == [PAUSE]
    world.store.silent = {"report"}
    assert world.live(5) == []
    assert world.store.commands == [PAUSE]
    world.store.silent = set()
    assert world.live(6) == []
    assert world.store.commands == []


def test_a_supervisor_that_becomes_a_new_one_knows_what_it_obeyed_and_hears_the_rest_again(world: World) -> None:
    world.child()
    world.store.commands = [TERMINATE]
    world.live(0.5)
    world.store.commands = [TERMINATE, PAUSE]
    world.clock.now += 1
    world.pulse.renew(world.children, 0.0)  # hears of the pause, and has no time to obey
    world.become_another()
    assert world.live(3) == [PAUSE]
    assert world.store.commands == []
