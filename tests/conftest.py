"""What every test may ask for, and what is said of the stores at the end of a run.

A store whose server is not installed is skipped here and said loudly; with CI=true its tests fail.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fakes.store import URLS, StoreUnderTest, fresh_url, in_ci
from hypothesis import HealthCheck, settings
from servers import session, stores

from qcore.config import ConnectionSettings

ALL = [*URLS, "memory"]
settings.register_profile("here", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("here")  # how long a value takes to make says nothing on a machine that others share


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # from a shell that has it run in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not _is_worker(config):
        session.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not _is_worker(config):
        session.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    used = " · ".join(f"{store} {version}".strip() for store, version in session.noted("used").items())
    missing = session.noted("missing")
    for store, package in missing.items():
        verdict = "FAILED, since CI is set" if in_ci() else "SKIPPED"
        terminalreporter.write_sep("!", f"{store.upper()} IS NOT INSTALLED", red=True, bold=True)
        terminalreporter.write_line(f"its tests were {verdict}; install it: apt-get install {package}", red=True)
    terminalreporter.write_line(f"stores: {used or 'none'}", bold=True)


@pytest.fixture
def make_settings() -> Callable[..., ConnectionSettings]:
    """Settings of a connection; any field may be given, and `url` chooses the driver."""
    return stores.settings_for


@pytest.fixture(params=URLS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store that several processes may share, on each kind of store."""
    return fresh_url(request.param, tmp_path)


@pytest.fixture(params=ALL)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreUnderTest]:
    """An empty store of each kind, to open one or several drivers on."""
    name = request.param
    url = "" if name == "memory" else fresh_url(name, tmp_path)
    if name == "memory":
        session.note("used", name, "")
    with ExitStack() as opened:
        yield StoreUnderTest(name, url, opened)


@pytest.fixture
def driver(store: StoreUnderTest) -> Any:
    """A driver on an empty store of each kind."""
    return store.open()


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
