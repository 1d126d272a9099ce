"""Numbers, times and foreign text, without a terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qctl import format as fmt

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0314, "31 ms"),
        (0.9996, "1.0 s"),
        (4.23, "4.2 s"),
        (59.4, "59.4 s"),
        (59.96, "1 m 00 s"),
        (184, "3 m 04 s"),
        (3599.9, "1 h 00 m"),
        (3840, "1 h 04 m"),
        (97200, "1 d 03 h"),
        (-184, "-3 m 04 s"),
    ],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert fmt.duration(seconds) == text


@given(st.floats(0, 1e9))
def test_a_duration_never_shows_sixty_of_a_unit(seconds: float) -> None:
    days, _, rest = f" {fmt.duration(seconds)} ".rpartition(" d ")
    assert not days or seconds >= 86_399  # there may be sixty of them
    assert " 60 " not in f" {rest} "
    assert not rest.strip().startswith(("60 ", "60.0", "1000 ms"))


@pytest.mark.parametrize(("number", "text"), [(0.2, "0.2 /s"), (41, "41 /s"), (1234, "1.2 k/s"), (250_000, "250 k/s")])
def test_rates(number: float, text: str) -> None:
    assert fmt.rate(number) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 B"), (1536, "1.5 kB"), (512 * 2**20, "512 MB"), (2**41, "2 TB")])
def test_sizes(number: int, text: str) -> None:
    assert fmt.size(number) == text


def test_counts_and_plurals() -> None:
    assert fmt.count(1204) == "1,204"
    assert [fmt.plural(number, "job") for number in (0, 1, 1204)] == ["0 jobs", "1 job", "1,204 jobs"]
    assert [fmt.plural(2, noun) for noun in ("batch", "process", "chain")] == ["2 batches", "2 processes", "2 chains"]


def test_ages_look_back_and_ahead() -> None:
    assert fmt.age(NOON - timedelta(seconds=4.2), NOON) == "4.2 s ago"
    assert fmt.age(NOON + timedelta(seconds=184), NOON) == "in 3 m 04 s"
    assert fmt.age(None, NOON) == ""


def test_instants_for_machines_are_utc_with_milliseconds() -> None:
    assert fmt.rfc3339(datetime.fromisoformat("2026-11-24T12:20:00.123456+02:00")) == "2026-11-24T10:20:00.123Z"
    assert fmt.rfc3339(None) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("日本 é", "日本 é"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("two\nlines\tand\rmore", "two\\nlines\\tand\\rmore"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\udc80", "\\udc80"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_instead(text: str, shown: str) -> None:
    assert fmt.printable(text) == shown


@given(st.text(st.characters()))
def test_nothing_printable_steers(text: str) -> None:
    shown = fmt.printable(text)
    assert fmt.printable(shown) == shown
    assert len(shown.splitlines()) <= 1
    shown.encode()


def test_lines_stay_lines() -> None:
    assert fmt.printable_lines("a\n\tb\x1b\n") == "a\n    b\\x1b"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("250ms", 0.25), ("1.5s", 1.5), ("10m", 600), ("1h30m", 5400), ("2d", 172800)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert fmt.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "1h30", "-5", "10m!"])
def test_what_is_no_duration_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="write 90, 90s, 5m"):
        fmt.parse_duration(text)


def test_moments_are_durations_or_instants() -> None:
    assert fmt.parse_moment("10m") == timedelta(minutes=10)
    assert fmt.parse_moment("2027-01-31T09:00+01:00") == datetime(2027, 1, 31, 8, tzinfo=UTC)
    local = fmt.parse_moment("2027-01-31")
    assert isinstance(local, datetime)
    assert local.tzinfo is not None
    with pytest.raises(ValueError, match="neither a duration"):
        fmt.parse_moment("tomorrow")
