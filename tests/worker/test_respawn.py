"""When the successor of a dead child may come: rounds of deaths count, not deaths."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from qcore.worker.children import Respawn


def _child(*, died_at_once: bool = True) -> Any:
    return SimpleNamespace(died_at_once=died_at_once)


@pytest.mark.parametrize("of", [1, 2, 16])
def test_one_death_of_each_child_has_no_pause(of: int) -> None:
    respawn = Respawn()
    assert [respawn.note(_child(), of=of) for _ in range(of)] == [0.0] * of
    assert respawn.note(_child(), of=of) == 0.5


def test_pauses_double_up_to_half_a_minute() -> None:
    respawn = Respawn()
    pauses = [respawn.note(_child(), of=1) for _ in range(10)]
    assert pauses == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_who_has_lived_or_ended_well_ends_the_row() -> None:
    respawn = Respawn()
    for _ in range(4):
        respawn.note(_child(), of=1)
    assert respawn.note(_child(died_at_once=False), of=1) == 0.0
    assert respawn.note(_child(), of=1) == 0.0
    respawn.calm()
    assert respawn.note(_child(), of=1) == 0.0


def test_a_group_that_wants_none_counts_as_one() -> None:
    respawn = Respawn()
    assert [respawn.note(_child(), of=0) for _ in range(2)] == [0.0, 0.5]
