"""Where a recording is kept: nothing else is overwritten, and nobody else may read it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from canned import Canned, busy

from qctl.exits import WrongUsage
from qctl.screens.recording import Recorder, Replay


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    Recorder(Canned([busy()]), path).look("")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    Recorder(Canned([busy()]), path).look("")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Replay(path, paced=False).look("") == busy()


@pytest.mark.parametrize("content", ["# notes\n", '{"a": 1}\n', "\n"])
def test_what_is_no_recording_stays_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.md"
    path.write_text(content)
    with pytest.raises(WrongUsage, match="no recording"):
        Recorder(Canned([busy()]), path)
    assert path.read_text() == content
