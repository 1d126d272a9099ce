"""Draws the README's picture: the demo, run for real in a terminal of its own, as an SVG.

`make picture` runs it. Nothing is made up, and nothing left out but the frames of the progress bar; the folder that
it runs in is written `~`.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from pathlib import Path

import pexpect
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
COLUMNS = 118
THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34),
     (88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)],
)  # fmt: skip


def main() -> None:
    """Run the demo, and write what a person would have seen."""
    with tempfile.TemporaryDirectory() as folder:
        seen = run_demo(Path(folder))
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
    console.print(Text.from_ansi(seen), no_wrap=True, crop=True)
    svg = console.export_svg(title="make demo", theme=THEME, unique_id="demo")
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # a picture asks no server for fonts
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)  # some viewers would drop leading blanks
    (HERE / "demo.svg").write_text(svg, encoding="utf-8")


def run_demo(folder: Path) -> str:
    """Run the demo in a terminal; returns its lines, each as it stood in the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QCTL_")}
    environment |= {
        "PYTHONPATH": str(EXAMPLES),
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        "TERM": "xterm-256color",
    }
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "fingerprint", "--home", "demo"],
        cwd=str(folder),
        env=environment,  # type: ignore[arg-type]  # the stub wants os._Environ
        dimensions=(50, COLUMNS),
        encoding="utf-8",
        timeout=120,
    )
    terminal.expect(pexpect.EOF)
    terminal.close()
    if terminal.exitstatus:
        sys.exit(f"the demo failed:\n{terminal.before}")
    lines = (terminal.before or "").replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r")[2] for line in lines).strip().replace(str(folder), "~")


if __name__ == "__main__":
    main()
