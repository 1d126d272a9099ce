"""The rig as a fixture, on each store; the table at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes.store import in_ci
from harness.audit import Result, shown
from harness.rig import Rig
from harness.scale import SCALE, SEED
from harness.stores import ALL, KINDS, FaultStore, ServedStore
from servers import session

_HERE = Path(__file__).parent
_LINES: list[Result] = []
_SAID: list[str] = []
_OTHER_HALF = {"test_stops", "test_pooler", "test_windows", "test_locks", "test_outages"}
_TITLES = ("test", "store", "jobs", "kills", "lost", "repeated", "recovery s")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.faults)
            item.add_marker(pytest.mark.xdist_group(_group_of(item)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        _LINES.extend(msgspec.convert(value, Result) for name, value in report.user_properties if name == "fault")
        _SAID.extend(str(value) for name, value in report.user_properties if name == "said")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _LINES:
        return
    terminalreporter.write_sep("=", f"faults: SCALE={SCALE:g} SEED={SEED}")
    rows = [_TITLES, *sorted((_cells(line) for line in _LINES), key=lambda row: (_number(row[0]), row))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        terminalreporter.write_line("  ".join([*left, *right]).rstrip())
    for line in _LINES:
        if line.lost_ids:
            terminalreporter.write_line(f"lost in {line.test} ({line.store}): {shown(line.lost_ids)}")
    for text in sorted(_SAID):
        terminalreporter.write_line(text)


@pytest.fixture(scope="session")
def opened_stores() -> Iterator[dict[str, FaultStore]]:
    """Stores of this process, started at their first need."""
    found: dict[str, FaultStore] = {}
    with session.scratch() as folder:
        found["folder"] = folder  # type: ignore[assignment]  # where the next one goes
        yield found
        for store in found.values():
            if isinstance(store, ServedStore):
                store.mend()
                store.server.stop()


@pytest.fixture(params=[name if name == "sqlite" else pytest.param(name, marks=pytest.mark.server) for name in ALL])
def fault_store(request: pytest.FixtureRequest, opened_stores: dict[str, FaultStore], tmp_path: Path) -> FaultStore:
    """A store of each kind, which answers; its database is empty."""
    name = request.param
    if name not in opened_stores:
        opened_stores[name] = _opened(KINDS[name], opened_stores["folder"])  # type: ignore[arg-type]  # see above
    store = opened_stores[name]
    store.fresh(tmp_path)
    return store


@pytest.fixture
def rig(request: pytest.FixtureRequest, fault_store: FaultStore, tmp_path: Path) -> Iterator[Rig]:
    """A rig on each kind of store."""
    properties: list[tuple[str, Any]] = request.node.user_properties
    with ExitStack() as closing:
        rig = Rig(
            fault_store,
            tmp_path,
            _title(request.node),
            lambda result: properties.append(("fault", msgspec.to_builtins(result))),
        )
        closing.callback(rig.close)
        yield rig


def _group_of(item: pytest.Item) -> str:
    """Whose server a test shares: of each kind there are two, so that none is busy long after the others."""
    spec = getattr(item, "callspec", None)
    store = str(spec.params.get("fault_store", "")) if spec else ""
    return f"{store} {item.path.stem in _OTHER_HALF}"


def _opened(kind: type[FaultStore], folder: Path) -> FaultStore:
    if issubclass(kind, ServedStore) and kind.kind.find() is None:
        session.note("missing", kind.kind.name, kind.kind.package)
        missing = f"{kind.kind.name} is not installed: apt-get install {kind.kind.package}"
        pytest.fail(missing, pytrace=False) if in_ci() else pytest.skip(missing)
    store = kind(folder)
    session.note("used", kind.name, "")
    return store


def _title(test: Any) -> str:
    """`test_t1_kill_of_a_child[redis-hard]` is `T1 kill of a child, hard`."""
    name = re.sub(r"^test_t0*(\d+\w?)_", r"T\1 ", test.originalname).replace("_", " ")
    variants = [part for part in test.callspec.id.split("-") if part and part not in ALL]
    return ", ".join([name, *variants])


def _number(title: str) -> int:
    found = re.match(r"T(\d+)", title)
    return int(found[1]) if found else 0


def _cells(line: Result) -> tuple[str, ...]:
    recovery = "" if line.recovery_s is None else f"{line.recovery_s:.2f}"
    return (line.test, line.store, *map(str, (line.jobs, line.kills, line.lost, line.repeated)), recovery)
