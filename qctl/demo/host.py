"""A host that a process plays: `python -m qctl.demo.host NAME work …` is `qctl work …` on a host of that name."""

from __future__ import annotations

import platform
import runpy
import socket
import sys


def main(name: str, *words: str) -> None:
    """Run `qctl` as if this host had that name; processes that it forks have it too."""
    socket.gethostname = lambda: name
    platform.node = lambda: name
    sys.argv = ["qctl", *words]
    runpy.run_module("qctl", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
