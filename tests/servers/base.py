"""A database server of the tests' own: in a temporary folder, on a free port, as an unprivileged user."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_START_S = 30.0
_STOP_S = 20.0


class Server:
    """A server in `folder`; it may be stopped and started again on the same port with the same data."""

    name = ""
    package = ""
    """What Debian calls it."""
    program = ""
    accounts: tuple[str, ...] = ()
    """Whom it may run as when the tests run as root, most wanted first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where a client finds it."""
        raise NotImplementedError

    @classmethod
    def find(cls, program: str = "") -> str | None:
        """The path of a program of this server's, or None."""
        folders = os.pathsep.join([os.environ.get("PATH", ""), *map(str, cls.extra_folders()), "/usr/sbin"])
        return shutil.which(program or cls.program, path=folders)

    @classmethod
    def extra_folders(cls) -> Iterable[Path]:
        """Where Debian puts programs beside PATH."""
        return ()

    def prepare(self) -> None:
        """Make the data folder; called once."""

    def command(self) -> list[str]:
        """The server's command line, in the foreground."""
        raise NotImplementedError

    def probe(self) -> str:
        """The version it answers with; raises any error while it does not answer."""
        raise NotImplementedError

    def start(self) -> str:
        """Start it, and wait until it answers; returns its version."""
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            self.give_away(self.folder)
            self.prepare()
        with (self.folder.parent / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, **self.identity())
        return self._answer(time.monotonic() + _START_S)

    def stop(self, *, crash: bool = False) -> None:
        """End it: in good order, or as a power cut would."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGKILL if crash else self.stop_signal())
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def stop_signal(self) -> signal.Signals:
        """What ends it in good order, whoever is connected."""
        return signal.SIGTERM

    def account(self) -> str | None:
        """Whom it is to run as; None for ourselves."""
        if os.geteuid() != 0:
            return None
        known = {entry.pw_name for entry in pwd.getpwall()}
        return next((name for name in (*self.accounts, "nobody") if name in known), None)

    def identity(self) -> dict[str, Any]:
        """How a program of this server's is to be run: by whom, where, and apart from our Ctrl-C."""
        account = self.account()
        who: dict[str, Any] = {} if account is None else {"user": account, "group": pwd.getpwnam(account).pw_gid}
        return {**who, "cwd": self.folder, "start_new_session": True, "stdin": subprocess.DEVNULL}

    def run(self, *command: str) -> None:
        """Run one of its programs to the end, as the server's user."""
        done = subprocess.run(command, capture_output=True, check=False, **self.identity())
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stdout.decode()}{done.stderr.decode()}")

    def give_away(self, path: Path) -> None:
        """Let the server's user own the path."""
        account = self.account()
        if account is not None:
            shutil.chown(path, account, pwd.getpwnam(account).pw_gid)

    def _answer(self, until: float) -> str:
        while True:
            try:
                return self.probe()
            except Exception as error:
                ended = self.process is None or self.process.poll() is not None
                if ended or time.monotonic() > until:
                    raise RuntimeError(f"{self.name} does not answer: {error}\n{self._log()}") from error
                time.sleep(0.02)  # a server that starts has no event to await

    def _log(self) -> str:
        with contextlib.suppress(OSError):
            return (self.folder.parent / f"{self.name}.log").read_text(errors="replace")[-2000:]
        return ""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
