"""`qctl release` and `qctl move`, retries elsewhere and later, ranges of ids, and errors told apart."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from shop import Schemas, Shop

pytestmark = pytest.mark.slow
MISSING = "0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f"


def due_in_s(shop: Shop, job_id: str) -> float:
    due_at = datetime.fromisoformat(shop.data("show", job_id)["due_at"])
    return (due_at - datetime.now(UTC)).total_seconds()


def ids(shop: Shop, *words: str) -> list[str]:
    return shop.qctl("jobs", *words, "-o", "name").lines()


class TestRelease:
    def test_a_delayed_job_is_due_at_once(self, busy: Shop, schemas: Schemas) -> None:
        (delayed,) = ids(busy, "--state", "delayed")
        answer = busy.qctl("release", delayed, "--json").json()
        schemas.check("release", answer)
        assert (answer["data"]["matched"], answer["data"]["changed"]) == (1, 1)
        assert (busy.count("delayed"), busy.count("pending")) == (0, 2)

    def test_all_that_match_wait_for_as_long_as_is_said(self, busy: Shop) -> None:
        counted = busy.qctl("release", "--where", "queue:default", "--delay", "2h", "--dry-run")
        assert counted.out == "2 jobs would be released\n"
        assert "not confirmed" in busy.qctl("release", "--where", "queue:default", "--delay", "2h", expect=6).err
        done = busy.qctl("release", "--where", "queue:default", "--delay", "2h", "--yes")
        assert done.out == "released 2 jobs\n"
        assert all(7000 < due_in_s(busy, job_id) <= 7200 for job_id in ids(busy, "--state", "delayed"))

    def test_what_does_not_wait_is_said(self, busy: Shop) -> None:
        (done,) = ids(busy, "--state", "completed")
        assert f"job {done}: it is completed" in busy.qctl("release", done, expect=3).err
        ended = busy.qctl("release", MISSING, expect=3)
        assert f"job {MISSING}: no such job" in ended.err
        assert "hint: qctl jobs" in ended.err

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ([], "no job was named"),
            ([MISSING, "--dry-run"], "--dry-run counts what matches"),
            ([MISSING, "--where", "queue:x"], "exclude each other"),
            (["--where", "state:failed"], "this acts on jobs that are delayed or pending or retrying"),
            ([MISSING, "--delay", "soon"], "--delay"),
        ],
    )
    def test_what_makes_no_sense(self, shop: Shop, words: list[str], said: str) -> None:
        assert said in shop.qctl("release", *words, expect=2).err


class TestMove:
    def test_jobs_run_from_where_they_went(self, busy: Shop, schemas: Schemas) -> None:
        answer = busy.qctl("move", "--to", "bulk", "--where", "queue:default", "--yes", "--json").json()
        schemas.check("move", answer)
        assert answer["data"]["changed"] == 2
        assert [job["queue"] for job in busy.data("jobs", "--state", "pending,delayed")["jobs"]] == ["bulk", "bulk"]
        busy.qctl("work", "--queue", "bulk", "--stop-when-empty", "--quiet")
        assert busy.count("completed") == 2

    def test_failed_ones_too(self, busy: Shop) -> None:
        first, _ = busy.failed_ids()
        assert busy.qctl("move", "--to", "bulk", first).out == "moved 1 job\n"
        assert (busy.data("show", first)["queue"], busy.data("show", first)["state"]) == ("bulk", "failed")

    def test_what_cannot_be_vouched_for_stays(self, busy: Shop) -> None:
        (busy.folder / "queue.db.key").unlink()
        first, _ = busy.failed_ids()
        assert "which is not at hand" in busy.qctl("move", "--to", "bulk", first, expect=3).err
        ended = busy.qctl("move", "--to", "bulk", "--where", "queue:mail", "--yes", "--json", expect=3)
        assert "which is not at hand" in ended.err
        assert busy.data("show", first)["queue"] == "mail"

    def test_it_says_where(self, shop: Shop) -> None:
        assert "--to" in shop.qctl("move", MISSING, expect=2).err


class TestRetry:
    def test_elsewhere_and_later(self, busy: Shop, schemas: Schemas) -> None:
        words = ["--queue", "mail", "--to-queue", "bulk", "--delay", "1h", "--spread", "30m", "--reset-tries"]
        answer = busy.qctl("retry", "--all", *words, "--json").json()
        schemas.check("retry", answer)
        assert answer["data"]["changed"] == 2
        jobs = busy.data("jobs", "--queue", "bulk")["jobs"]
        assert [job["state"] for job in jobs] == ["delayed", "delayed"]
        assert all(3500 < due_in_s(busy, job["id"]) < 5400 for job in jobs)

    def test_one_by_its_id(self, busy: Shop) -> None:
        first, _ = busy.failed_ids()
        busy.qctl("retry", first, "--to-queue", "bulk")
        assert (busy.data("show", first)["queue"], busy.data("show", first)["state"]) == ("bulk", "pending")

    def test_a_delay_that_is_none(self, busy: Shop) -> None:
        assert "--spread" in busy.qctl("retry", "all", "--spread", "wide", expect=2).err
        assert busy.count("failed") == 2


class TestRanges:
    def test_from_one_to_another(self, busy: Shop) -> None:
        older, newer = sorted(busy.failed_ids())
        assert busy.qctl("retry", f"{older}..{older}").out == "retried 1 job\n"
        assert busy.qctl("forget", f"{older}..{newer}").out == "forgotten 1 job\n"

    def test_open_at_an_end(self, busy: Shop) -> None:
        older, _ = sorted(busy.failed_ids())
        assert busy.qctl("retry", f"..{older}").out == "retried 1 job\n"
        assert busy.qctl("retry", f"{older[:8]}..").out == "retried 1 job\n"
        assert busy.qctl("cancel", f"{older[:8]}..", "-").code == 0

    @pytest.mark.parametrize("verb", ["retry", "forget", "release", "cancel"])
    def test_between_which_there_is_no_job(self, busy: Shop, verb: str) -> None:
        assert "error: no job within a..b" in busy.qctl(verb, "a..b", expect=3).err

    @pytest.mark.parametrize("word", ["..", "b..a", "a..b..c"])
    def test_what_is_none(self, busy: Shop, word: str) -> None:
        assert "is no range of ids" in busy.qctl("retry", word, expect=2).err


class TestFingerprints:
    def test_one_trouble_is_counted_once(self, shop: Shop, schemas: Schemas) -> None:
        for text in ("order 17 is lost", "order 2041 is lost", "no such file"):
            shop.qctl("dispatch", "shop:Boom", f'["{text}"]')
        shop.qctl("work", "--tries", "1", "--stop-when-empty", "--quiet")
        answer = shop.qctl("failed", "--group-by", "fingerprint", "--json").json()
        schemas.check("failed.groups", answer)
        groups = answer["data"]["groups"]
        assert [group["count"] for group in groups] == [2, 1]
        assert shop.qctl("retry", "--where", f"fingerprint:{groups[0]['value']}").out == "retried 2 jobs\n"


class TestOtherWords:
    """Words that some know from elsewhere, for what there is."""

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["job", MISSING], "no job"),
            (["cancel", "--force", MISSING], "no such job"),
            (["quiet", "nobody"], "no worker 'nobody'"),
            (["worker", "stop", "nobody"], "no worker 'nobody'"),
            (["worker", "restart", "nobody"], "no worker 'nobody'"),
        ],
    )
    def test_they_are_heard(self, busy: Shop, words: list[str], said: str) -> None:
        assert said in busy.qctl(*words, expect=3).err

    def test_those_that_need_nothing(self, shop: Shop) -> None:
        assert "_qctl_completion" in shop.qctl("completion", "bash").out
        assert "default" in shop.qctl("db", "migrate").out
