"""What `qctl top` tells of one look, and of one host."""

from __future__ import annotations

from canned import WORKERS, busy, glance, jobs_of, queue

from qctl.commands.top import _Seen
from qctl.screens.top.plain import page


def test_one_look_claims_no_rate() -> None:
    _, rates, *lines = page([busy()]).splitlines()
    assert " out - " in rates
    assert " in - " in rates
    row = next(line for line in lines if line.startswith("emails"))
    assert "∞" not in row


def test_two_looks_tell_rates() -> None:
    text = page([busy(), busy(after_s=1.0, done=3)])
    assert " out 90 /s" in text
    row = next(line for line in text.splitlines() if line.startswith("emails"))
    assert "60" in row.split()


def test_what_was_measured_is_told_after_one_look() -> None:
    text = page([glance((queue("mail", pending=600, throughput_per_min=600.0, clears_in_s=90.0),))])
    row = next(line for line in text.splitlines() if line.startswith("mail"))
    assert "10" in row.split()
    assert "1 m 30 s" in row


def test_only_what_runs_on_a_host_is_shown() -> None:
    look = glance((queue("mail"),), WORKERS, view="processing", jobs=jobs_of("processing"))
    here = _Seen((), "web-1").narrowed(look)
    assert {one.host for one in here.workers} == {"web-1"}
    assert len(here.jobs) == 3
    assert _Seen((), "db-1").narrowed(look).jobs == ()
    failed = glance((), WORKERS, view="failed", jobs=jobs_of("failed"))
    assert len(_Seen((), "db-1").narrowed(failed).jobs) == 4
