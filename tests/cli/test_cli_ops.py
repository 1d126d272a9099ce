"""`qctl prune`, and the script of `examples/ops` that cron runs: no terminal, no questions, and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shop import Schemas, Shop

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "examples" / "ops" / "keep_order.sh"


def keep_order(shop: Shop, *queues: str, expect: int, **settings: str) -> str:
    """Run the script as cron would; returns what it said."""
    environment = shop.environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | settings
    words = ["sh", str(SCRIPT), *queues]
    ended = subprocess.run(
        words, cwd=shop.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ended.returncode == expect, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout + ended.stderr


def test_what_ended_long_ago_is_dropped(shop: Shop, schemas: Schemas) -> None:
    shop.python("from shop import Add, Boom\nAdd.dispatch(1)\nAdd.dispatch(2)\nBoom.dispatch()")
    shop.qctl("work", "--stop-when-empty", "--tries", "1", "--quiet")
    answer = shop.qctl("prune", "--older-than", "0s", "--dry-run", "--json").json()
    schemas.check("prune", answer)
    assert answer["data"]["pruned"]["completed"] == {"matched": 2, "changed": 0}
    assert "failed" not in answer["data"]["pruned"]
    assert shop.qctl("prune", "--completed", "-o", "table").out == "pruned 0 completed jobs, 0 cancelled jobs\n"
    assert shop.qctl("prune", "--older-than", "0s", "-o", "table").out == (
        "pruned 2 completed jobs, 0 cancelled jobs, 0 batches, 0 chains\n"
    )
    assert shop.qctl("queue:prune-failed", "--hours", "0", "-o", "table").out == "pruned 1 failed job\n"
    assert shop.qctl("failed", "-o", "name").lines() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hours", "1", "--older-than", "2h"], "exclude each other"),
        (["--hours", "1e9"], "beyond 10 years"),
        (["--older-than", "soon"], "--older-than"),
    ],
)
def test_what_makes_no_sense_is_refused(shop: Shop, words: list[str], said: str) -> None:
    assert said in shop.qctl("prune", *words, expect=2).err


def test_cron_retries_what_failed_and_drops_what_is_old(shop: Shop) -> None:
    shop.python("from shop import Boom\nBoom.dispatch()")
    shop.qctl("work", "--stop-when-empty", "--tries", "1", "--quiet")
    said = keep_order(shop, "default", expect=0, CHECKS="--check store")
    assert "pruned 0 failed jobs" in said
    assert shop.count("pending") == 1
    assert "nobody serves default" in keep_order(shop, "default", expect=11)


def test_cron_is_told_of_a_queue_above_its_threshold(shop: Shop, tmp_path: Path) -> None:
    shop.python("from shop import Add\nAdd.dispatch(1)\nAdd.dispatch(2)")
    alert = f'echo "$QCTL_ALERT_TEXT" >> {tmp_path}/alerts'
    keep_order(shop, "default", expect=20, MAX_JOBS="1", ALERT=alert, CHECKS="--check store")
    keep_order(shop, "default", expect=20, MAX_JOBS="1", ALERT=alert, CHECKS="--check store")
    assert len((tmp_path / "alerts").read_text().splitlines()) == 1, "told once"


def test_cron_is_told_of_what_is_not_well_and_of_nothing_worse(shop: Shop) -> None:
    shop.python("from shop import Boom\nBoom.dispatch()")
    shop.qctl("work", "--stop-when-empty", "--tries", "1", "--quiet")
    checks = "--check store --check failed --max-failed 0"
    keep_order(shop, "default", expect=10, CHECKS=checks)
    keep_order(shop, "default", expect=0, CHECKS=checks)


def test_cron_is_told_of_a_store_that_is_away(shop: Shop) -> None:
    keep_order(shop, "default", expect=4, QCTL_URL="redis://127.0.0.1:1/0")


def test_cron_names_queues(shop: Shop) -> None:
    assert "usage:" in keep_order(shop, expect=2)
