"""`python -m benchmarks PART`: each part has its own --help."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys

_OWN = (
    "table",
    "growth",
    "payloads",
    "grid",
    "latency",
    "concurrency",
    "workers",
    "prices",
    "limits",
    "flows",
    "screens",
    "reading",
)
PARTS = {name: f"benchmarks.{name}" for name in _OWN} | {"peers": "benchmarks.peers.run"}


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers and workers are ended on the way out
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    for name, module in PARTS.items():
        part = importlib.import_module(module)
        own = parts.add_parser(name, help=part.HELP, description=part.HELP)
        part.add_arguments(own)
        own.set_defaults(run=part.run)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
