"""Measures the project through its public face; `python -m benchmarks --help` lists the parts."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # servers are started as the tests start theirs
