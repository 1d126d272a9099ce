"""A user's folder: the pasted examples, nothing configured, real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class Home:
    """A folder in which a user works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("QCTL_")}

    def run(self, program: str, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run an installed program there; an exit code that is not the expected one fails the test."""
        command = [str(Path(sys.executable).parent / program), *arguments]
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == expect, f"{command}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def python(self, program: str, expect: int = 0) -> str:
        return self.run("python", "-c", program, expect=expect).stdout

    def qctl(self, *arguments: str, expect: int = 0) -> str:
        return self.run("qctl", *arguments, expect=expect).stdout

    def work(self, *arguments: str) -> None:
        self.qctl("work", "--stop-when-empty", "--backoff=0", *arguments)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.qctl(*arguments, "--json"))["data"]

    def queue(self, name: str) -> dict[str, Any]:
        """What `qctl stats` says of one queue."""
        [queue] = self.json("stats", name)["queues"]
        return dict(queue)

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def subjects(self) -> list[str]:
        """Subjects of the mails that were sent, in order."""
        return [json.loads(line)[1] for line in self.lines("outbox.jsonl")]
