"""Where `qctl` and `python -m qctl` begin."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line in `sys.argv` and exit with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        _print_version()
        return
    try:
        _run()
    except KeyboardInterrupt:  # so early that nothing had begun
        sys.exit(130)


def _run() -> None:
    import gc  # what an import makes is no garbage, and looking for some costs 10 to 30 ms

    gc.disable()
    from qctl.main import run

    gc.set_threshold(50_000, 20, 20)  # a command's own imports come later and are large
    gc.enable()
    run()


def _print_version() -> None:
    from qctl import __version__

    try:
        print(f"qctl {__version__}", flush=True)  # noqa: T201  before anything that could format is imported
    except OSError:
        sys.stdout = None  # a closed pipe: nothing is left to flush at exit


if __name__ == "__main__":
    main()
