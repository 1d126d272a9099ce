"""The peers' virtual environments, made when they are first needed."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

_HERE = Path(__file__).parent
ENVIRONMENTS = _HERE.parent / ".envs"


def ready(name: str) -> Path:
    """The `bin` folder of a peer's environment, made anew if its requirements have changed; "" is our own."""
    if not name:
        return Path(sys.executable).parent
    wanted = (_HERE / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    folder = ENVIRONMENTS / name
    stamp = folder / "installed.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"making the environment of {name}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
        subprocess.run([*pip, "-r", str(_HERE / "requirements" / f"{name}.txt")], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return folder / "bin"
