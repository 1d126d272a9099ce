"""Results as Markdown and JSON: printed, and kept in `benchmarks/results/`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from benchmarks.pinning import Pins
from benchmarks.stores import Site
from benchmarks.targets import TIMES

RESULTS = Path(__file__).parent / "results"
_LIBRARIES = ("redis", "hiredis", "SQLAlchemy", "psycopg", "PyMySQL", "msgspec", "cryptography")


class Report:
    """What one run says: a header about the machine, then tables.

    Args:
        name: of the part; results are kept under it.
        sites: the stores that were measured.
        pins: where things ran.
        options: how often and how much.
    """

    def __init__(self, name: str, sites: Sequence[Site], pins: Pins, options: dict[str, Any]) -> None:
        self._name = name
        self._began = time.time()
        self._lines: list[str] = []
        self._data: dict[str, Any] = {"part": name, "environment": environment(sites, pins), "options": options}
        self._say(f"# {name}\n")
        for what, value in self._data["environment"].items():
            self._say(f"- {what}: {value}")
        self._say(f"- options: {', '.join(f'{key} {value}' for key, value in options.items())}")

    def table(self, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table."""
        self._say(f"\n## {title}\n")
        self._say("| " + " | ".join(head) + " |")
        self._say("|" + "---|" * len(head))
        for row in rows:
            self._say("| " + " | ".join(row) + " |")

    def note(self, text: str) -> None:
        self._say(f"\n{text}")

    def keep(self, name: str, data: Any) -> None:
        """Put figures into the JSON."""
        self._data[name] = data

    def save(self, folder: Path = RESULTS) -> None:
        """Write both files, and say where."""
        self._data["seconds"] = round(time.time() - self._began, 1)
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self._name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(self._began))}"
        (folder / f"{stem}.md").write_text("\n".join(self._lines) + "\n", encoding="utf-8")
        (folder / f"{stem}.json").write_text(json.dumps(self._data, indent=1) + "\n", encoding="utf-8")
        shown = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
        print(f"\n{self._data['seconds']:.0f} s; kept as {shown}/{stem}.md and .json", flush=True)

    def _say(self, line: str) -> None:
        self._lines.append(line)
        print(line, flush=True)


def environment(sites: Sequence[Site], pins: Pins) -> dict[str, str]:
    """All that the figures depend on and that is no option of the run."""
    said = {
        "machine": f"{len(os.sched_getaffinity(0))} {TIMES} {_processor()}, {platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "qctl": f"{metadata.version('qctl')} {_revision()}",
        "libraries": ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES),
        "pinned": pins.name if not pins.clients else f"{pins.name}: stores {pins.store}, clients {pins.clients}",
    }
    for site in sites:
        settings = ", ".join(f"{name} {value or 'off'}" for name, value in site.settings().items())
        said[site.title] = f"{site.version}; {settings}"
    return said


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _revision() -> str:
    asked = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
