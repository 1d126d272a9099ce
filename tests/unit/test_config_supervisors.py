"""Pools of workers in a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qcore.config import Settings, SupervisorSettings, as_table, load_settings
from qcore.errors import ConfigurationError


def load(folder: Path, toml: str, **given: Any) -> Settings:
    (folder / "qctl.toml").write_text(toml)
    return load_settings(cwd=folder, environ={}, **given)


def test_a_pool_that_says_little_has_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, '[supervisors.default]\nqueues = "high, low, high"')
    assert settings.supervisors == {"default": SupervisorSettings(name="default", queues=("high", "low"))}
    rows = {name: (value, origin) for name, value, origin in as_table(settings)}
    assert rows["supervisors.default.queues"] == (["high", "low"], "qctl.toml")
    assert rows["supervisors.default.max_processes"] == (10, "default")
    assert rows["supervisors.default.async"] == (None, "default")


def test_a_pool_says_everything(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        [connections.cache]
        url = "redis://cache/0"
        [supervisors.reports]
        connection = "cache"
        queues = ["a", "b"]
        balance = false
        min_processes = 2
        max_processes = 5
        balance_max_shift = 2
        balance_cooldown = "5s"
        strategy = "size"
        max_time = "1h"
        max_jobs = 500
        memory = 256
        tries = 0
        timeout = "2m"
        nice = -5
        async = 50
        """,
    )
    assert settings.supervisors["reports"] == SupervisorSettings(
        name="reports",
        connection="cache",
        queues=("a", "b"),
        balance="off",
        min_processes=2,
        max_processes=5,
        balance_max_shift=2,
        balance_cooldown=5.0,
        strategy="size",
        max_time=3600.0,
        max_jobs=500,
        memory=256,
        tries=0,
        timeout=120.0,
        nice=-5,
        async_=50,
    )


def test_a_profile_changes_a_part(tmp_path: Path) -> None:
    toml = (
        '[supervisors.main]\nqueues = "a"\nmax_processes = 2\n'
        "[profile.prod.supervisors.main]\nmax_processes = 20\n"
        '[profile.prod.supervisors.more]\nqueues = "b"\n'
    )
    assert list(load(tmp_path, toml).supervisors) == ["main"]
    prod = load(tmp_path, toml, profile="prod").supervisors
    assert (prod["main"].queues, prod["main"].max_processes) == (("a",), 20)
    assert set(prod) == {"main", "more"}


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ("max_processes = 2", "supervisors.x names no queue", 'write queues = "high,default"'),
        ("queues = []", "supervisors.x names no queue", 'write queues = "high,default"'),
        (
            'queues = "a"\nmax_proceses = 2',
            'unknown setting "supervisors.x.max_proceses"',
            'did you mean "max_processes"?',
        ),
        ('queues = "a"\nbalance = "fair"', "supervisors.x.balance is 'fair'", "write one of auto, simple, off"),
        ('queues = "a"\nbalance = true', "supervisors.x.balance is True", "write one of auto, simple, off"),
        ('queues = "a"\nstrategy = "speed"', "supervisors.x.strategy is 'speed'", "write one of time, size"),
        (
            'queues = "a"\nmin_processes = 0',
            "supervisors.x.min_processes is 0",
            "write a whole number above 0, such as 3",
        ),
        ('queues = "a"\nnice = 20', "supervisors.x.nice is 20", "write a whole number from -20 to 19"),
        (
            'queues = "a,b,c"\nmax_processes = 2',
            "supervisors.x: max_processes is 2, but its 3 queues need at least 3",
            "write max_processes = 3 or more",
        ),
        (
            'queues = "a,b"\nmin_processes = 4\nmax_processes = 7',
            "supervisors.x: max_processes is 7, but its 2 queues need at least 8",
            "write max_processes = 8 or more",
        ),
        (
            'queues = "a,b,c"\nbalance = "simple"\nmax_processes = 2',
            "supervisors.x: max_processes is 2, but its 3 queues need at least 3",
            "write max_processes = 3 or more",
        ),
        (
            'queues = "a,b,c"\nbalance = "off"\nmin_processes = 4\nmax_processes = 2',
            "supervisors.x: max_processes is 2, but min_processes is 4",
            "write max_processes = 4 or more",
        ),
        (
            'queues = "a"\nconnection = "defualt"',
            'supervisors.x: there is no connection "defualt"',
            'did you mean "default"? there are: default',
        ),
        ('queues = "a"\nthreads = 2\nasync = 9', "supervisors.x has threads and async", "leave one of the two out"),
    ],
)
def test_what_cannot_be(table: str, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, f"[supervisors.x]\n{table}")
    assert (caught.value.message, caught.value.hint) == (f"qctl.toml: {message}", hint)


def test_a_worker_may_be_asynchronous(tmp_path: Path) -> None:
    assert load(tmp_path, "[worker]\nasync = 8").worker.async_ == 8
