"""A process that starts one server and ends it with the test run, however that ends.

Called as `python -m servers.keeper KIND FOLDER PID`: says one line of JSON once the server answers, and lives until
it is told to stop or until the process PID, the test run, is gone (killed ones too).
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

from servers.kinds import KINDS


def main(kind: str, folder: str, pid: str) -> None:
    """Keep one server."""
    server = KINDS[kind](Path(folder))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        version = server.start()
        sys.stdout.write(json.dumps({"url": server.url, "version": version, "keeper": os.getpid()}) + "\n")
        sys.stdout.flush()
        outlive(int(pid))
    finally:
        server.stop()
    shutil.rmtree(Path(folder).parent, ignore_errors=True)  # the run was killed, and cannot


def outlive(pid: int) -> None:
    """Return when the process is gone."""
    if hasattr(os, "pidfd_open"):
        try:
            select.select([os.pidfd_open(pid)], [], [])
        except ProcessLookupError:
            return
    while _is_alive(pid):
        time.sleep(0.5)  # systems without process descriptors


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
