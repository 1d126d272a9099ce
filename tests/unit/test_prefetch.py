"""How many jobs a worker holds ahead."""

from __future__ import annotations

from qcore.worker.prefetch import Prefetch


def taught(*runtimes_s: float) -> Prefetch:
    prefetch = Prefetch()
    for runtime_s in runtimes_s:
        prefetch.learn("app:Mail", runtime_s)
    return prefetch


def test_at_first_one_for_each_place() -> None:
    assert Prefetch().target(1) == 1
    assert Prefetch().target(4) == 4


def test_short_jobs_are_held_by_the_hundred_up_to_a_bound() -> None:
    assert taught(*[0.0001] * 100).target(1) == 499
    assert taught(*[0.00001] * 100).target(1) == 1000


def test_one_that_the_host_held_up_changes_little() -> None:
    held_up = taught(*[0.0001] * 100, 0.5)
    assert held_up.target(1) > 300
    assert not held_up.is_long("app:Mail")


def test_those_that_grew_long_are_soon_held_singly() -> None:
    grown = taught(*[0.0001] * 100, *[0.5] * 20)
    assert grown.target(1) == 1
    assert grown.is_long("app:Mail")


def test_what_is_unknown_may_be_long() -> None:
    assert Prefetch().is_long("app:Mail")
    assert not taught(0.001).is_long("app:Mail")
