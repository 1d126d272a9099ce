from __future__ import annotations

from typing import Any

import pytest
import testing_jobs


@pytest.fixture(autouse=True)
def ran(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What jobs of this test did; no file of this folder is anybody's configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCTL_URL", raising=False)
    testing_jobs.RAN.clear()
    return testing_jobs.RAN
