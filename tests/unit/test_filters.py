"""The filter language: what it reads, what it refuses, and which jobs it fits."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qcore import FilterError, JobState
from qcore.codec import MASK
from qcore.filters import FIELDS, STATES, Filter, Term, Value, one_of, parse, words
from qcore.monitor.snapshots import JobSnapshot

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
JOB: dict[str, Any] = {
    "id": "0192f0c1-7f1e-7cc3-98c4-dc0c0c07398f",
    "job": "shop.jobs:Mail.SendWelcome",
    "name": "SendWelcome",
    "queue": "emails",
    "connection": "default",
    "state": JobState.FAILED,
    "delayed": False,
    "priority": -2,
    "attempts": 3,
    "crashes": 0,
    "created_at": NOW - timedelta(minutes=10),
    "due_at": NOW - timedelta(minutes=10),
    "reserved_at": NOW - timedelta(seconds=90),
    "ended_at": NOW - timedelta(seconds=30),
    "runtime_s": 2.5,
    "worker": "web1:4711:mail-3f9a2c1e",
    "tags": ("eu", "user:42"),
    "error": "smtplib.SMTPError: Timeout after 30 s, host mx.example",
    "payload": {
        "args": ["ada@b.c", {"id": 42, "vip": True, "none": None}],
        "kwargs": {"token": MASK, "lines": [{"sku": "x1"}, {"sku": "y2"}]},
        "options": {"tenant": "acme"},
    },
}  # fmt: skip


def job(**fields: Any) -> JobSnapshot:
    return JobSnapshot(**{**JOB, **fields})


FITS = [
    "", "queue:emails", "queue:low,emails", "queue:e*s", "queue:~^em", "-queue:low", "state:failed",
    "state:retrying,failed", "-state:completed,pending", "job:SendWelcome", "job:Send*", "class:*Welcome",
    "job:shop.jobs:Mail.SendWelcome", "job:shop.*", "tag:eu", "tag:us,eu", "tag:user:42", "tags:user:*",
    "id:0192f0c1-*",
    "tries>=3", "tries:3", "tries=3", "attempts<4", "tries:1,3", "-tries>3", "priority:-2", "priority<0", "crashes:0",
    "age>5m", "age<11m", "runtime>2s", "runtime<=2500ms", "error:timeout", 'error:"after 30 S"', "error:~Time.*mx",
    "error:SMTP*mx", "exception:smtplib.SMTPError", "exception:SMTPError", "exc:SMTP*", "host:web1", "worker:web1:*",
    "tenant:acme", "args.0:ada@b.c", "args.1.id:42", "args.1.vip:true", "args.1.none:null", "args:ada@*",
    "args.lines.1.sku:y2", "args:y2", "created>-11m", "created<-9m", "ended>=-1m",
    "ended>2026-01-01T11:59:00Z", "ended<2026-01-01T12:00:00+00:00", "due<+1h", "connection:default", "timeout",
    '"Timeout after"', "~mx[.]", '"USER:42"', "-nonsense", 'emails -queue:low tag:eu "30 s"',
]  # fmt: skip
FITS_NOT = [
    "queue:Emails", "queue:email", "queue:e*x", "-queue:emails", "state:pending", "-state:failed", "job:Send", "tag:e",
    "tag:us,de", "tries>3", "tries:1,2", "priority>0", "age>11m", "runtime>3s", "error:refused", "error:~^Timeout",
    "exception:ValueError", "exception:SMTP", "host:web", "tenant:other", "args.0:bob", "args.5:x", "args.1.id:4",
    "args.nothing:*", "args.token:*", f"args.token:{MASK}", f"args:{MASK}", "ended>-20s", "created>2026-01-01T12:00Z",
    "progress:0", "nonsense", "timeout nonsense", "id:0192f0c1", "queue:emails state:pending", "args.1.vip:True",
]  # fmt: skip


@pytest.mark.parametrize("text", FITS)
def test_what_fits(text: str) -> None:
    assert parse(text).matches(job(), NOW)


@pytest.mark.parametrize("text", FITS_NOT)
def test_what_does_not(text: str) -> None:
    assert not parse(text).matches(job(), NOW)


def test_each_state_is_the_one_that_lists_tell() -> None:
    delayed = job(state=JobState.PENDING, delayed=True)
    assert parse("state:delayed").matches(delayed, NOW)
    assert not parse("state:pending").matches(delayed, NOW)
    assert parse("state:retrying").matches(job(state=JobState.RETRYING, delayed=True), NOW)


def test_what_is_not_known_matches_nothing_but_its_negation() -> None:
    bare = job(worker=None, error=None, runtime_s=None, ended_at=None, payload=None)
    for text in ("worker:*", "host:*", 'error:""', "exception:*", "runtime<1w", "ended<+1d", "tenant:*", "args:*"):
        assert not parse(text).matches(bare, NOW), text
        assert parse(f"-{text}").matches(bare, NOW), text


def test_the_runtime_of_a_job_that_runs_goes_on() -> None:
    running = job(state=JobState.PROCESSING, runtime_s=None, ended_at=None)
    assert parse("runtime>89s").matches(running, NOW)
    assert not parse("runtime>91s").matches(running, NOW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quue:emails", "no field quue: did you mean queue? (column 1)"),
        ("queue:a  -sttae:failed", "no field sttae: did you mean state? (column 11)"),
        ("queue.x:a", "no field queue.x: did you mean queue? (column 1)"),
        ("http://mx/", 'no field http: to look for the text, write "http://mx/" (column 1)'),
        ("state:faild", "no state faild: did you mean failed? (column 1)"),
        ("state:xyz", "no state xyz: there are pending, "),
        ("state:fail*", "state takes names alone: state:failed,retrying (column 1)"),
        ("queue:", "nothing follows queue: (column 7)"),
        ("queue: a", "nothing follows queue: (column 7)"),
        ("tag:a,", "nothing follows the comma of tag: (column 7)"),
        ("-", "nothing follows - (column 2)"),
        ("error:~", "nothing follows error:~ (column 7)"),
        ('"free', 'a quote is not closed: write another " (column 1)'),
        ("tries>many", "tries: 'many' is no number (column 1)"),
        ("tries>nan", "tries: 'nan' is no number (column 1)"),
        ("tries>1,2", "tries> takes one value, not 2 (column 1)"),
        ("tries:*", "tries is compared by value, without * and ~ (column 1)"),
        ("tries!=3", "no operator !=: to leave jobs out, write -tries: (column 1)"),
        ("age>5x", "age: '5x' is no duration; write 90, 90s, 5m, 1h30m or 2d (column 1)"),
        ("ended>yesterday", "ended: 'yesterday' is no instant; write 2027-01-31T09:00, -1h for an hour ago, or +1h"),
        ("queue>5", "queue is no number: write queue: and not queue> (column 1)"),
        ("error:~(a", "~(a is no regular expression to search with: "),
        ("error:~(a+)+b", "~(a+)+b is no regular expression to search with: it repeats a group that itself repeats"),
        ("error:~(a|b)*", "~(a|b)* is no regular expression to search with: it repeats a group that itself repeats"),
        ("error:~(a?a?)*b", "~(a?a?)*b is no regular expression to search with: it repeats a group"),
        ("error:~((a)+b)+", "~((a)+b)+ is no regular expression to search with: it repeats a group"),
        ("error:~(?:x+){2}", "~(?:x+){2} is no regular expression to search with: it repeats a group that itself"),
        ('error:~"(?x)(a+) +"', "~(?x)(a+) + is no regular expression to search with: it holds comments"),
        ("error:~.*a.*b.*c.*d", "~.*a.*b.*c.*d is no regular expression to search with: it repeats more than 3 times"),
        (f"error:~{'a' * 201}", f"~{'a' * 40} is no regular expression to search with: it has more than 200"),
        ("x " * 2001, "the filter has more than 4,000 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line(text: str, message: str) -> None:
    with pytest.raises(FilterError) as failed:
        parse(text)
    assert str(failed.value).startswith(message)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(\d+) of (\d+)",
        "(?:ab)+c",
        r"\(a+\)+",
        "[(a+)]+",
        r"a{2}",
        r"(\d+)x+",
        "(?:a|b)?c+",
        "(?P<n>ab)+c",
        "(?i:ab)+",
        r"(a\?)+",
        "(?i)TIMEOUT",
        "a|b",
    ],
)
def test_patterns_that_come_to_an_end(pattern: str) -> None:
    assert parse(str(Filter((Term("error", (Value((pattern,), is_pattern=True),)),))))


def test_a_long_text_keeps_a_pattern_no_longer() -> None:
    began = time.monotonic()
    long = job(error="E: " + "a" * 1_000_000)
    assert not parse("error:~a+b").matches(long, NOW)
    assert not parse("error:*a*b*a*b*a*b*a*c").matches(long, NOW)
    assert time.monotonic() - began < 2


def test_a_pattern_is_tried_on_the_beginning() -> None:
    assert parse("error:~a").matches(job(error=499 * "b" + "a"), NOW)
    assert not parse("error:~a").matches(job(error=500 * "b" + "a"), NOW)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ('queue:"a b,c"', ("a b,c",)),
        (r'queue:"a\"b\\c\d"', (r'a"b\c\d',)),
        ('queue:"*"', ("*",)),
        ('queue:Send*" now"', ("Send", " now")),
        (r"queue:a\b", (r"a\b",)),
        ('queue:""', ("",)),
    ],
)
def test_quotes_hold_what_would_mean_something(text: str, pieces: tuple[str, ...]) -> None:
    assert parse(text).terms[0].values == (Value(pieces),)


def test_what_a_store_can_tell_by_itself() -> None:
    chosen = parse("state:failed,pending -state:pending queue:a,b queue:b,c tag:x")
    assert (chosen.states, chosen.queues) == ({"failed"}, {"b"})
    assert str(chosen.rest) == "tag:x"
    open_ended = parse("queue:a* -queue:b")
    assert (open_ended.states, open_ended.queues) == (set(STATES), None)
    assert open_ended.rest == open_ended
    assert parse("queue:a queue:b").queues == set()


def test_what_needs_the_payload_is_asked_last() -> None:
    chosen = parse("args.x:1 tag:a tenant:b")
    assert (str(chosen.brief), str(chosen.in_payload)) == ("tag:a", "args.x:1 tenant:b")


def test_since_when_it_matters() -> None:
    assert parse("ended>-1h ended>=2026-01-01T11:30Z").ended_since(NOW) == NOW - timedelta(minutes=30)
    assert parse("-ended>-1h ended<-1h").ended_since(NOW) is None


def test_options_make_the_same_filter() -> None:
    assert one_of("job", ["Send*", "a,b c"]) == parse('job:Send*,"a,b c"')
    assert words("-a:b *") == parse('"-a:b *"')
    assert one_of("tag", ["x"]) & words("y") == parse("tag:x y")
    with pytest.raises(FilterError, match="no state lost"):
        one_of("state", ["lost"])
    with pytest.raises(FilterError, match="tag needs a value"):
        one_of("tag", [])


SOME_TEXT = st.text(max_size=12) | st.text(alphabet=' ,"*~\\-:a>=<b.', max_size=12)
NAMED = [name for name, field in FIELDS.items() if not field.kind.is_ordered and name != "state"]


@st.composite
def values(draw: st.DrawFn) -> Value:
    if draw(st.booleans()):
        return Value((draw(st.sampled_from(["a", "a b", '"', "\\d+", "^x, y$", "a*", "~"])),), is_pattern=True)
    return Value(tuple(draw(st.lists(SOME_TEXT, min_size=1, max_size=3))))


@st.composite
def terms(draw: st.DrawFn) -> Term:
    negated = draw(st.booleans())
    kind = draw(st.sampled_from(["named", "args", "words", "state", "number"]))
    if kind == "number":
        number = str(draw(st.integers(-5, 5)))
        return Term("priority", (Value((number,)),), draw(st.sampled_from([":", ">", ">=", "<", "<="])), negated)
    if kind == "state":
        names = draw(st.lists(st.sampled_from(STATES), min_size=1, max_size=3))
        return Term("state", tuple(Value((name,)) for name in names), negated=negated)
    fields = {"named": draw(st.sampled_from(NAMED)), "args": "args.user.id", "words": ""}
    return Term(fields[kind], tuple(draw(st.lists(values(), min_size=1, max_size=3))), negated=negated)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text of a run takes seconds to draw
@given(st.lists(terms(), max_size=4))
def test_printed_and_read_again_it_is_the_same(some: list[Term]) -> None:
    chosen = Filter(tuple(some))
    assert parse(str(chosen)) == chosen


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=40) | st.text(alphabet=' ,"*~\\-:qu.e>=<()+|1', max_size=40))
def test_any_text_is_a_filter_or_the_one_error(text: str) -> None:
    try:
        chosen = parse(text)
    except FilterError:
        return
    assert parse(str(chosen)) == chosen
    assert chosen.matches(job(), NOW) in {True, False}
