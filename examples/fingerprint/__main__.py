"""Dispatch a job for every file, let real workers do them, and check the sum against a plain loop.

Run it from the folder `examples`: `python -m fingerprint [folder]`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from fingerprint.jobs import FingerprintJob
from fingerprint.measure import Summary, measure, summarize, walk
from fingerprint.table import load
from qcore import QueueError, QueueManager, dispatch_many

QUEUE = "fingerprints"
LIBRARY = Path(sysconfig.get_path("stdlib"))


def main() -> int:
    """Tell the story; 0 only if the workers found what a plain loop finds."""
    options = _options()
    home = Path(options.home or tempfile.mkdtemp(prefix="qctl-demo-"))
    home.mkdir(parents=True, exist_ok=True)
    if any(home.iterdir()):
        print(f"error: {home} is not empty\nhint: name a new folder", file=sys.stderr)
        return 1
    results = home / "results.db"
    os.environ["QCTL_URL"] = f"sqlite:///{home / 'queue.db'}"  # the workers inherit it
    paths = list(walk(options.folder))
    where = "in Python's standard library" if options.folder == LIBRARY else f"below {options.folder}"
    print(f"{len(paths):,} files {where}, and one that was deleted meanwhile")
    print(f"queue and results are in {home}\n")
    try:
        _dispatch([*paths, home / "deleted-meanwhile.txt"], results)
        if not _work(options.workers, home, expected=len(paths) + 1):
            return 1
    except QueueError as error:
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
        return 1
    succeeded = [_compare(summarize(load(results)), paths), _show("stats"), _show("failed")]
    return 0 if all(succeeded) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fingerprint", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=LIBRARY, help="Python's own library")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (2)")
    parser.add_argument("--home", help="a folder to keep the databases in (a new temporary one)")
    return parser.parse_args()


def _dispatch(paths: list[Path], results: Path) -> None:
    began = time.monotonic()
    ids = dispatch_many([FingerprintJob(path, results) for path in paths])
    print(f"dispatched {len(ids):,} jobs in {time.monotonic() - began:.2f} s")


def _work(count: int, home: Path, expected: int) -> bool:
    command = [sys.executable, "-m", "qctl", "work", f"--queue={QUEUE}", "--stop-when-empty"]
    print(f"{count} worker{'s' * (count > 1)}: qctl {' '.join(command[3:])}")
    began = time.monotonic()
    with (home / "workers.log").open("w") as log:
        workers = [subprocess.Popen(command, stdout=log, stderr=log) for _ in range(count)]  # noqa: S603  our own
        while any(worker.poll() is None for worker in workers):
            if sys.stdout.isatty():
                print(f"\r{_progress(expected)}", end="", flush=True)
            time.sleep(0.1)
    print(f"\r{_progress(expected)}")
    print(f"done in {time.monotonic() - began:.2f} s\n")
    if any(worker.returncode for worker in workers):
        print(f"a worker failed:\n{(home / 'workers.log').read_text()[-2000:]}", file=sys.stderr)
        return False
    return True


def _progress(expected: int) -> str:
    """Draw how far the queue is, as the store counts it."""
    stats = QueueManager.get_stats(QUEUE)
    done = stats.completed + stats.failed
    filled = 40 * done // expected
    return f"  {'█' * filled}{'░' * (40 - filled)} {done:,} of {expected:,}"


def _compare(found: Summary, paths: list[Path]) -> bool:
    expected = summarize(measure(path) for path in paths)
    print(f"{'':12}{'by the queue':>16}{'by a plain loop':>18}")
    for name, ours, theirs in zip(Summary._fields, found, expected, strict=True):
        print(f"{name:12}{_short(ours):>16}{_short(theirs):>18}")
    print("\nthe same, file by file\n" if found == expected else "\nNOT the same\n")
    return found == expected


def _short(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.12}…"


def _show(command: str) -> bool:
    print(f"$ qctl {command}", flush=True)
    ended = subprocess.run([sys.executable, "-m", "qctl", command, "--output=table"], check=False)  # noqa: S603  our own
    print()
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
