"""Processes of the example applications."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


class Folder(NamedTuple):
    """Where a process of an application works."""

    path: Path
    programs: Path
    """Where those of this environment are."""

    @property
    def url(self) -> str:
        """A store that processes share."""
        return f"sqlite:///{self.path / 'queue.db'}"

    def run(self, *words: str, expect: int = 0, cwd: Path | None = None, **env: str) -> str:
        """Run a program of the environment; what it printed, also on stderr."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("QCTL_", "DJANGO_"))}
        path = os.pathsep.join((str(EXAMPLES), str(Path(__file__).parent), str(ROOT)))
        ended = subprocess.run(
            [str(self.programs / words[0]), *words[1:]],
            cwd=cwd or self.path,
            env=kept | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "SHOP_FOLDER": str(self.path)} | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == expect, f"{words}: {ended.returncode}\n{ended.stdout}"
        return ended.stdout

    def manage(self, *words: str, **more: str) -> str:
        """Run a command of the Django example."""
        return self.run("python", "manage.py", *words, cwd=EXAMPLES / "django_shop", **more)
