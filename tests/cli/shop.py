"""What the command line is tested with: an application, processes, and the schemas of what they print."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
APPLICATION = '''
"""Jobs of a small shop."""
import os
import time

from qcore import Job, define_queue, job

define_queue("small", max_jobs=1)


class Add(Job):
    """Adds, and returns the sum."""

    def __init__(self, a: int, b: int = 0) -> None:
        super().__init__()
        self.a, self.b = a, b

    def handle(self) -> int:
        return self.a + self.b


class Boom(Job):
    """Fails."""

    def __init__(self, text: str = "broken") -> None:
        super().__init__()
        self.text = text

    def handle(self) -> None:
        raise ValueError(self.text)


class Slow(Job):
    """Says on a pipe that it began, and takes a while."""

    def __init__(self, fifo: str, seconds: float = 0.3) -> None:
        super().__init__()
        self.fifo, self.seconds = fifo, seconds

    def handle(self) -> None:
        with open(self.fifo, "w") as pipe:
            pipe.write("began")
        time.sleep(self.seconds)


@job(queue="mail")
def greet(name: str, *, loudly: bool = False) -> str:
    """Greets."""
    return name.upper() if loudly else name
'''


@dataclass(frozen=True)
class Ended:
    """A call that came to its end."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def lines(self) -> list[str]:
        return self.out.splitlines()

    def fields(self) -> list[list[str]]:
        return [line.split("\t") for line in self.lines()]


@dataclass
class Shop:
    """A folder in which a user works, and how they call the tool there."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    """What to put before the tool's own words."""

    def __post_init__(self) -> None:
        inherited = {"PATH", "LANG", "LC_ALL", "TMPDIR", "COVERAGE_PROCESS_START"}
        kept = {name: value for name, value in os.environ.items() if name in inherited}
        self.environment = kept | {"HOME": str(self.folder), "QCTL_APP": "shop", "PYTHONPATH": str(ROOT)}

    @classmethod
    def opened(cls, folder: Path) -> Shop:
        (folder / "shop.py").write_text(APPLICATION)
        return cls(folder)

    def call(self, *words: str, stdin: str | None = None, **more: Any) -> Ended:
        """Call the tool without a terminal."""
        ended = subprocess.run(
            [*self.before, *command(), *words],
            cwd=self.folder,
            env=self.environment | more.pop("env", {}),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **more,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def qctl(self, *words: str, expect: int = 0, stdin: str | None = None, **env: str) -> Ended:
        """Call it, and see that it ends with this code and never with a traceback."""
        ended = self.call(*words, stdin=stdin, env=env)
        assert "Traceback" not in ended.err, ended.err
        assert ended.code == expect, f"{words}: {ended.code}\n{ended.out}\n{ended.err}"
        return ended

    def python(self, code: str) -> str:
        """Run a program in the folder; what it printed."""
        words = [sys.executable, "-c", code]
        env = self.environment | {"PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}"}
        return subprocess.run(
            words, cwd=self.folder, env=env, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    def data(self, *words: str, **more: Any) -> Any:
        """The `data` of its JSON."""
        return self.qctl(*words, "--json", **more).json()["data"]

    def count(self, state: str) -> int:
        number = self.data("stats")["totals"][state]
        assert isinstance(number, int)
        return number

    def failed_ids(self) -> list[str]:
        return self.qctl("failed", "-o", "name").lines()

    def spawn(self, *words: str, columns: int = 120, **env: str) -> pexpect.spawn[str]:
        """Call it on a terminal."""
        program, *arguments = command()
        return pexpect.spawn(
            program,
            [*arguments, *words],
            cwd=str(self.folder),
            env=self.environment | {"TERM": "xterm-256color"} | env,
            encoding="utf-8",
            dimensions=(40, columns),
            timeout=30,
            preexec_fn=_heed_interrupts,
        )

    def on_terminal(self, *words: str, **more: Any) -> tuple[str, int]:
        """Call it on a terminal, without an answer to any question; what it showed, and its exit code."""
        child = self.spawn(*words, **more)
        child.expect(pexpect.EOF)
        child.close()
        return str(child.before).replace("\r\n", "\n"), child.exitstatus if child.exitstatus is not None else -1


def _heed_interrupts() -> None:
    """Let Ctrl-C reach a program even where the tests themselves run in the background, deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def command() -> list[str]:
    """The installed tool, or the package where it is not installed."""
    installed = Path(sys.executable).with_name("qctl")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "qctl"]


class Schemas:
    """The published JSON schemas, read so strictly that a field nobody wrote down is an error."""

    def __init__(self, folder: Path) -> None:
        self.documents = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
        closed = {name: closed_form(document, name) for name, document in self.documents.items()}
        resources = ((f"{name}.json", Resource.from_contents(document)) for name, document in closed.items())
        registry: Registry[Any] = Registry().with_resources(resources)
        self._validators = {
            name: Draft202012Validator(document, registry=registry) for name, document in closed.items()
        }

    def check(self, name: str, value: Any) -> None:
        """Fail unless the value is what the schema of that name says."""
        self._validators[name].validate(value)


def closed_form(node: Any, name: str) -> Any:
    """A schema that allows no field beside those it names."""
    if isinstance(node, list):
        return [closed_form(part, name) for part in node]
    if not isinstance(node, dict):
        return node
    closed = {key: closed_form(part, name) for key, part in node.items()}
    if "$schema" in closed:
        return closed | ({} if name == "envelope" else {"unevaluatedProperties": False})
    if "properties" in closed and "object" in closed.get("type", ()) and name not in {"work", "envelope"}:
        closed.setdefault("additionalProperties", False)
    return closed


def compare(name: str, text: str) -> None:
    """Compare a text with its file in snapshots/; with SNAPSHOTS=renew in the environment, write it."""
    path = ROOT / "snapshots" / name
    if os.environ.get("SNAPSHOTS") == "renew":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is missing; write it with SNAPSHOTS=renew"
    assert text == path.read_text(encoding="utf-8"), f"{name} changed; if it should have: SNAPSHOTS=renew"
