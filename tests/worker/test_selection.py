"""What a filter selects, on each kind of store: page by page, within its limit, and never by a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sealed_jobs as jobs
from fakes.managers import in_use
from fakes.store import URLS, fresh_url
from fakes.values import HOUR_S, cancelled, completed, envelope, envelopes, failed, released
from fakes.worker import FakeWorker

from qcore import QueueManager, define_queue
from qcore.crypto.keyring import generate_key
from qcore.filters import STATES, Filter, parse
from qcore.monitor import Actions, Monitor
from qcore.monitor.selection import Selection

KEY = generate_key()


@pytest.fixture(params=["memory", *URLS])
def manager(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[QueueManager]:
    """A manager with a key, on an empty store of each kind."""
    url = "memory://" if request.param == "memory" else fresh_url(request.param, tmp_path)
    with in_use({"url": url, "key": KEY}) as manager:
        yield manager


@pytest.fixture
def memory() -> Iterator[QueueManager]:
    with in_use({"url": "memory://", "key": KEY}) as manager:
        yield manager


def fail(manager: QueueManager, number: int, queue: str = "default", **fields: Any) -> list[str]:
    """So many jobs that failed one after the other; their ids, oldest first."""
    store, ids = manager.connection(), []
    for job in envelopes(number, queue, **fields):
        store.push([job])
        store.settle([failed(FakeWorker(store, queue).reserve_one())])
        ids.append(job.id)
    return ids


def one_of_each(manager: QueueManager, queue: str) -> dict[str, str]:
    """A job in each state; their ids."""
    store = manager.connection()
    ends = {"completed": completed, "failed": failed, "cancelled": cancelled, "retrying": released, "processing": None}
    found = {}
    for state, end in ends.items():
        job = envelope(queue)
        store.push([job])
        lease = FakeWorker(store, queue).reserve_one()
        more = {"delay_s": HOUR_S} if state == "retrying" else {}
        if end is not None:
            store.settle([end(lease, **more)])
        found[state] = job.id
    for state, delay_s in (("pending", 0.0), ("delayed", HOUR_S)):
        job = envelope(queue, delay_s=delay_s)
        store.push([job])
        found[state] = job.id
    return found


def selected(manager: QueueManager, text: str, **more: Any) -> list[str]:
    return [found.job.id for found in Selection(manager, parse(text), **more)]


def pages(manager: QueueManager, text: str, limit: int, **more: Any) -> Iterator[list[str]]:
    """Page after page, each by a selection of its own, as one call after the other reads them."""
    cursor = None
    for _ in range(100):
        page = Selection(manager, parse(text), **more).page(limit, cursor)
        assert len(page.jobs) <= limit
        yield [job.id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            return
    pytest.fail("the pages have no end")


def test_states_and_queues_are_left_to_the_store(manager: QueueManager) -> None:
    mail, other = one_of_each(manager, "mail"), one_of_each(manager, "other")
    for state in STATES:
        assert selected(manager, f"state:{state} queue:mail") == [mail[state]]
        assert selected(manager, f"state:{state}") == [other[state], mail[state]]
        assert selected(manager, f"state:{state} queue:other,mail,nobody") == [other[state], mail[state]]
    assert selected(manager, "queue:mail -state:pending,failed state:failed,completed") == [mail["completed"]]
    assert selected(manager, "queue:mail queue:other") == []
    assert not Selection(manager, parse("queue:mail -state:pending")).is_judged


def test_all_states_come_in_order(manager: QueueManager) -> None:
    mail = one_of_each(manager, "mail")
    assert selected(manager, "") == [mail[state] for state in STATES]
    assert selected(manager, "", views=["failed", "pending"]) == [mail["failed"], mail["pending"]]


def test_the_rest_is_judged(manager: QueueManager) -> None:
    tagged = fail(manager, 2, tags=("eu",))
    plain = fail(manager, 2, "low")
    assert selected(manager, "tag:eu") == tagged[::-1]
    assert selected(manager, "-tag:eu error:no") == plain[::-1]
    assert selected(manager, "queue:low tag:eu") == []
    assert selected(manager, "tries:1 exception:ValueError ended>-1h age<1h") == [*plain[::-1], *tagged[::-1]]
    assert selected(manager, "ended<-1h") == []


@pytest.mark.parametrize("text", ["", "queue:a,b", "tag:x", "tag:x queue:a,b", "-queue:b", "queue:a"])
@pytest.mark.parametrize("limit", [1, 2, 5, 50])
def test_pages_meet_each_job_once(text: str, limit: int, memory: QueueManager) -> None:
    meet_once(memory, text, limit)


@pytest.mark.parametrize(("text", "limit"), [("tag:x", 3), ("queue:a,b", 2), ("tag:x queue:a,b", 1)])
def test_pages_meet_each_job_once_on_every_store(text: str, limit: int, manager: QueueManager) -> None:
    meet_once(manager, text, limit)


def meet_once(manager: QueueManager, text: str, limit: int) -> None:
    for number in range(4):
        fail(manager, 1, "a", tags=("x",))
        fail(manager, 1, "b", tags=("x",) if number % 2 else ())
        manager.connection().push(envelopes(2, "a", tags=("x",)))
    whole = selected(manager, text)
    assert len(whole) >= 6
    assert [job_id for page in pages(manager, text, limit) for job_id in page] == whole


def test_pages_stay_whole_while_jobs_come_and_go(manager: QueueManager) -> None:
    ids = fail(manager, 9, tags=("x",))
    store, found = manager.connection(), []
    for page in pages(manager, "state:failed tag:x", 2):
        found += page
        store.retry(page[-1:])
        fail(manager, 1, "other", tags=("x",))
    assert found == ids[::-1]


@pytest.mark.parametrize("cursor", ["lost", "failed/1", "failed/x/y/z", "pending", ""])
def test_no_cursor_of_this_list(cursor: str, memory: QueueManager) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  its words are for people
        Selection(memory, parse("state:failed")).page(1, cursor)


def test_the_newest_alone_are_looked_at(manager: QueueManager) -> None:
    old = fail(manager, 3, tags=("x",))
    new = fail(manager, 4)
    chosen = parse("state:failed tag:x")
    page = Selection(manager, chosen, scan_most=5).page(10)
    assert ([job.id for job in page.jobs], page.scanned_limit) == ([old[2]], True)
    rest = Selection(manager, chosen, scan_most=5).page(10, page.next_cursor)
    assert ([job.id for job in rest.jobs], rest.scanned_limit, rest.next_cursor) == (old[1::-1], False, None)
    assert not Selection(manager, chosen, scan_most=7).page(10).scanned_limit
    by_index = Selection(manager, parse("state:failed queue:default"), scan_most=1)
    assert [found.job.id for found in by_index] == [*new[::-1], *old[::-1]]
    assert not by_index.scanned_limit


def test_a_job_is_found_by_its_id_however_many_are_newer(manager: QueueManager) -> None:
    old, mail = fail(manager, 2), one_of_each(manager, "mail")
    fail(manager, 3)
    by_id = Selection(manager, parse(f"id:{old[0]}"), scan_most=2)
    assert ([found.job.id for found in by_id], by_id.scanned_limit) == ([old[0]], False)
    for state, job_id in mail.items():
        assert selected(manager, f"id:{job_id}", scan_most=1) == [job_id]
        assert selected(manager, f"id:{job_id} state:{state} queue:mail", scan_most=1) == [job_id]
        assert selected(manager, f"id:{job_id} -state:{state}") == []
    ids = ",".join([*old, mail["failed"], "nobody"])
    newest_first = [mail["failed"], *old[::-1]]
    assert selected(manager, f"id:{ids} tries:1", scan_most=3) == newest_first
    assert [one for page in pages(manager, f"id:{ids}", 1, scan_most=3) for one in page] == newest_first
    assert selected(manager, f"id:{ids} queue:other,mail") == [mail["failed"]]
    assert selected(manager, f"id:{ids} id:{old[1]},nobody") == [old[1]]
    assert selected(manager, f"-id:{old[0]} id:{ids} queue:default") == [old[1]]
    assert selected(manager, f"id:{old[0]} error:elsewhere") == []
    assert Actions(manager).preview(parse(f"id:{old[0]}"), ["failed"]).matched == 1


def test_what_ended_too_long_ago_is_not_even_looked_at(memory: QueueManager) -> None:
    fail(memory, 1100)
    store, asked = memory.connection(), []
    page = store.page

    def counted(*words: Any, **more: Any) -> Any:
        asked.append(words)
        return page(*words, **more)

    store.page = counted  # type: ignore[method-assign,assignment]  # to count its calls
    assert selected(memory, "ended>+1h", views=["failed"]) == []
    assert len(asked) == 1


def test_arguments_are_found_by_name_and_by_place(manager: QueueManager) -> None:
    first = jobs.Plain.dispatch({"user": {"id": 42}})
    second = jobs.Plain.dispatch(value=[7, "x y"])
    assert selected(manager, "args.value.user.id:42") == [first]
    assert selected(manager, "args.0.user.id:42") == [first]
    assert selected(manager, 'args.value:"x y"') == [second]
    assert selected(manager, "args:7,42") == [second, first]
    assert selected(manager, "args.value.user.id:4*") == [first]


def test_tenants_are_found(memory: QueueManager) -> None:
    job = jobs.Plain(1)
    job.tenant = "acme"
    acme = job.dispatch()
    other = jobs.Plain.dispatch(2)
    assert (selected(memory, "tenant:acme"), selected(memory, "-tenant:acme")) == ([acme], [other])


@pytest.mark.parametrize(
    "text",
    ["args:hunter2", "args.text:hunter2", "args.0:hunter2", "args:*", "args:~hunter", "args.card:*", "hunter2",
     "args.codes:hunter2", "args.1:hunter2"],
)  # fmt: skip
def test_no_secret_ever_matches(text: str, manager: QueueManager) -> None:
    jobs.Note.dispatch("hunter2")
    jobs.Note.dispatch(text="hunter2")
    paid = jobs.Pay.dispatch("hunter2", 4200, "hunter2", more="hunter2")
    assert selected(manager, text) in ([], [paid] if text == "args:*" else [])
    assert selected(manager, "args.amount:4200") == [paid]


def test_a_payload_that_nobody_signed_matches_nothing(memory: QueueManager) -> None:
    memory.connection().push([envelope(payload=b"no payload at all")])
    assert selected(memory, "args:*") == []
    assert len(selected(memory, "-args:*")) == 1


def test_what_matches_is_shown_as_in_every_list(memory: QueueManager) -> None:
    jobs.Plain.dispatch(1)
    (found,) = Selection(memory, parse("args.value:1"))
    (listed,) = Monitor(memory).jobs("pending").jobs
    assert found.job == listed


def test_actions_reach_what_matches(manager: QueueManager) -> None:
    tagged, plain = fail(manager, 3, tags=("x",)), fail(manager, 2)
    actions = Actions(manager)
    seen = actions.preview(parse("tag:x"), ["failed"])
    assert (seen.matched, seen.changed, seen.dry_run) == (3, 0, True)
    assert [job.id for job in seen.sample] == tagged[::-1]
    assert actions.preview(parse("tag:x"), ["failed"], 2).matched == 2
    assert actions.preview(Filter(), ["failed"]).matched == 5
    assert actions.retry_all(where=parse("tag:x"), limit=1).changed == 1
    assert manager.connection().find(tagged[2]).state == "pending"
    assert actions.forget_all(where=parse("-tag:x")).changed == 2
    assert all(manager.connection().find(job_id) is None for job_id in plain)
    assert actions.forget_all("nobody", where=parse("tag:x")).matched == 0
    assert actions.retry_all("default", where=parse("tag:x")).changed == 2


def test_cancel_all_that_wait_and_tell_all_that_run(manager: QueueManager) -> None:
    mail = one_of_each(manager, "mail")
    one_of_each(manager, "other")
    actions = Actions(manager)
    assert actions.preview(parse("queue:mail"), ["pending", "delayed", "retrying", "processing"]).matched == 4
    result = actions.cancel_all(parse("queue:mail"))
    assert (result.matched, result.changed, result.told, result.failed) == (4, 3, (mail["processing"],), ())
    assert manager.connection().counts(["mail"])[0].cancelled == 4
    assert actions.cancel_all(parse("state:failed,completed")).matched == 0


def test_an_action_says_that_it_did_not_look_at_all(memory: QueueManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qcore.monitor.selection.SCAN_MOST", 2)
    fail(memory, 3, tags=("x",))
    actions = Actions(memory)
    assert actions.preview(parse("tag:x"), ["failed"]).scanned_limit
    result = actions.forget_all(where=parse("tag:x"))
    assert (result.changed, result.scanned_limit) == (2, True)
    assert not actions.forget_all(where=parse("tag:x")).scanned_limit


def test_the_newest_of_several_connections_come_first() -> None:
    config = {"default": {"driver": "memory"}, "other": {"driver": "memory"}}
    define_queue("far", connection="other")
    with in_use({}, app_config={"QUEUE_CONFIG": config}) as manager:
        ids = []
        for name in ("default", "other", "default", "other"):
            store = manager.connection(name)
            (job,) = envelopes(1)
            store.push([job])
            store.settle([failed(FakeWorker(store).reserve_one())])
            ids.append(job.id)
        assert selected(manager, "state:failed") == ids[2::-2]
        assert selected(manager, "state:failed", connection="other") == ids[3::-2]
        assert selected(manager, "tries:1", everywhere=True) == ids[::-1]
        assert [one for page in pages(manager, "tries:1", 1, everywhere=True) for one in page] == ids[::-1]
