"""What a run says of its stores, and that a missing one is never missed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers import session
from servers.redis import Redis

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
PING = "tests/drivers/test_reader.py::test_ping"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A test run of its own."""
    ours = ("PYTEST_", "QCTL_", "CI", "COV_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A PATH without Redis."""
    monkeypatch.setenv("PATH", str(tmp_path))
    if Redis.find() is not None:
        pytest.skip("this Redis is found without PATH")
    return str(tmp_path)


def test_the_stores_of_a_run_are_named_with_their_versions() -> None:
    ended = run(f"{PING}[memory]", f"{PING}[sqlite]")
    assert ended.returncode == 0, ended.stdout
    assert "stores: memory · sqlite 3." in ended.stdout


def test_a_missing_server_is_told_by_name(bare_path: str) -> None:
    ended = run(f"{PING}[redis]", PATH=bare_path)
    assert ended.returncode == 0, ended.stdout
    assert "REDIS IS NOT INSTALLED" in ended.stdout
    assert "apt-get install redis-server" in ended.stdout
    assert "1 skipped" in ended.stdout


def test_a_missing_server_fails_in_ci(bare_path: str) -> None:
    ended = run(f"{PING}[redis]", PATH=bare_path, CI="true")
    assert ended.returncode == 1
    assert "REDIS IS NOT INSTALLED" in ended.stdout


@pytest.mark.server
def test_a_server_outlives_no_run(tmp_path: Path) -> None:
    """The run that needed a server has ended it when it ends."""
    probe = tmp_path / "test_probe.py"
    probe.write_text(
        "import pathlib\nfrom servers import session\n"
        "def test_probe():\n"
        f"    pathlib.Path({str(tmp_path / 'url')!r}).write_text(session.need('redis').url)\n"
    )
    if Redis.find() is None:
        session.note("missing", Redis.name, Redis.package)
        pytest.skip("redis is not installed")
    ended = run("-c", str(ROOT / "pyproject.toml"), "-p", "conftest", str(probe), PYTHONPATH=str(ROOT / "tests"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    import redis

    with redis.Redis.from_url((tmp_path / "url").read_text()) as client, pytest.raises(redis.ConnectionError):
        client.ping()
