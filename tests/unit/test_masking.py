"""Hidden values are taken out of texts, in whatever form a text quotes them."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shlex
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from email.utils import format_datetime
from enum import Enum
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import pytest
from codec_kinds import Color, Frozen, Level, Point, Record, values
from hypothesis import given
from hypothesis import strategies as st

from qcore.codec import MASK, Mask, describe_arguments, encode_arguments, sketch_arguments


@given(st.text(min_size=3, max_size=20))
def test_a_text_is_found_as_it_prints_and_as_it_is_quoted(secret: str) -> None:
    for quoted in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        assert Mask([secret])(f"<{quoted}>") == f"<{MASK}>"


ESCAPINGS: dict[str, Callable[[str], str]] = {
    "repr": repr,
    "repr of several": lambda text: repr(["mail", text]),
    "ascii": ascii,
    "json": json.dumps,
    "json, as it is": lambda text: json.dumps({"to": text}, ensure_ascii=False),
    "bytes": lambda text: repr(text.encode()),
    "shell": shlex.quote,
    "url": quote,
    "form": quote_plus,
    "html": html.escape,
    "xml": lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
    "backslashes": lambda text: text.encode("unicode_escape").decode(),
    "sql": lambda text: text.replace("'", "''"),
}
some_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
awkward = st.text(st.sampled_from("'\"\\\n\t &<%+ü€😀an0x"), max_size=6)


@given(
    st.tuples(some_text | awkward, some_text | awkward),
    st.tuples(some_text | awkward, some_text | awkward),
    st.lists(st.sampled_from(sorted(ESCAPINGS)), max_size=3),
)
def test_a_text_is_found_however_often_it_was_escaped(
    around: tuple[str, str], within: tuple[str, str], escapings: list[str]
) -> None:
    secret = f"{around[0]}SECRET{around[1]}"
    text = f"{within[0]}{secret}{within[1]}"
    for name in escapings:
        text = ESCAPINGS[name](text)
    masked = Mask([secret])(text)
    assert MASK in masked
    assert "SECRET" not in masked


@pytest.mark.parametrize(
    "secret", ["O'Brien", 'say "hi"', "C:\\new\\table", "Müller & Söhne", "日本語", "a\nb'c", "😀😀😀"]
)
@pytest.mark.parametrize("outer", sorted(ESCAPINGS))
@pytest.mark.parametrize("inner", sorted(ESCAPINGS))
def test_in_each_escaping_within_each(secret: str, inner: str, outer: str) -> None:
    text = ESCAPINGS[outer](ESCAPINGS[inner](f"no customer {secret}, sorry"))
    before, mask, after = Mask([secret])(text).partition(MASK)
    assert mask, text
    assert len(before + after) < len(ESCAPINGS[outer](ESCAPINGS[inner]("no customer , sorry"))) + 10


@given(st.text(min_size=6, max_size=20), st.binary(max_size=5), st.binary(max_size=5))
def test_a_text_is_found_in_base64_wherever_it_begins(secret: str, before: bytes, after: bytes) -> None:
    whole = before + secret.encode() + after
    for coded in (b64encode(whole).decode(), urlsafe_b64encode(whole).decode(), whole.hex(), whole.hex().upper()):
        assert MASK in Mask([secret])(coded)


BORN = datetime(1990, 1, 2, 3, 4)  # noqa: DTZ001  naive, as many are
LEFT = datetime(1990, 1, 2, 23, 4, 5, 60_000, tzinfo=UTC)
DAY = date(1990, 1, 2)
PRICE = Decimal("1234567.5")
NAME = UUID(int=2**127 + 1)


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        (BORN, BORN.isoformat()), (BORN, str(BORN)), (BORN, repr(BORN)), (BORN, BORN.ctime()),
        (BORN, f"{BORN:%d.%m.%Y %H:%M}"), (BORN, quote(BORN.isoformat())),
        (LEFT, LEFT.isoformat(timespec="milliseconds")), (LEFT, f"{LEFT.timestamp()}"), (LEFT, format_datetime(LEFT)),
        (DAY, "1990-01-02"), (DAY, repr(DAY)), (DAY, "02/01/1990"), (DAY, "January 2, 1990"),
        (time(3, 4), "03:04:00"), (timedelta(hours=30), "1 day, 6:00:00"), (timedelta(hours=30), "108000.0"),
        (PRICE, f"{PRICE:,}"), (PRICE, f"{PRICE:,.2f}"), (PRICE, repr(PRICE)), (Decimal("1E+4"), "10000"),
        (1234567, f"{1234567:,}"), (1234567, f"{1234567:_}"), (1234567, "1.234.567"), (123456789, "75bcd15"),
        (1234.5, f"{1234.5:,.2f}"), (-1234.5, "-1234.5"), (1234.0, "1234"), (NAME, str(NAME)), (NAME, NAME.hex),
        (b"\xffkey-1", str(b"\xffkey-1")), (b"\xffkey-1", json.dumps(str(b"\xffkey-1"))),
        (b"\xffkey-1", quote(b"\xffkey-1")), (b"it's a key", "it's a key"), (b"it's a key", repr("it's a key")),
        (Color.RED, Color.RED.value), (Color.RED, str(Color.RED)),
        ([{"a": Frozen(("deep-7",))}], "deep-7"), (Record("name-1", Point("left-2")), "left-2"),
    ],
)  # fmt: skip
def test_values_are_found_as_programs_write_them(secret: Any, text: str) -> None:
    left = set(re.findall(r"\w+", Mask([secret])(f"<{text}>")))
    assert left <= {"at", "b", "Decimal", "0000", "0"}, "but for what surrounds it"


@pytest.mark.parametrize("secret", [4111111111111111, 12.75, b"\x00key", b"plain"])
def test_other_values_are_found_too(secret: Any) -> None:
    assert Mask([secret])(f"before {secret!r} after") in {f"before {MASK} after", f"before b'{MASK}' after"}


def test_parts_are_found_wherever_they_lie() -> None:
    mask = Mask([{"card": ["4111", {"pin": "9876"}]}, ("owner-1",)])
    assert mask("4111 of owner-1 with 9876") == f"{MASK} of {MASK} with {MASK}"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_of_several_lines_each_is_found(end: str) -> None:
    secret = end.join(["  -----BEGIN KEY-----", "MIIEpAIBAAKC", "Qd", "u8jx-----END KEY-----", ""])
    masked = Mask([secret])("".join(f"  | {line}\n" for line in secret.splitlines()))
    assert masked == f"  |   {MASK}\n  | {MASK}\n  | Qd\n  | {MASK}\n"


def test_the_longest_goes_first() -> None:
    assert Mask(["4111", "4111-2222"])("4111-2222 4111") == f"{MASK} {MASK}"


@pytest.mark.parametrize("small", ["", "a", "ab", 7, True, None, [], {}])
def test_what_is_too_small_to_be_a_secret_stays(small: Any) -> None:
    text = "about a cab with 7 seats: True, None"
    assert Mask([small])(text) == text


def test_so_many_values_hide_the_whole_text() -> None:
    assert Mask([list(range(1000, 30_000))])("nothing of them") == MASK
    assert Mask([list(range(1000, 9000))])("1234 of them") == f"{MASK} of them"
    assert Mask([["same"] * 100_000])("the same of them") == f"the {MASK} of them"


def test_a_number_that_python_does_not_print() -> None:
    assert Mask([10**5000, "secret"])("a secret") == f"a {MASK}"


def test_a_long_text_is_cut_and_no_value_with_it() -> None:
    secret = "s3cret-" * 20
    text = "x" * (2**20 - 50) + secret + "y" * 100
    masked = Mask([secret])(text)
    assert "s3cret" not in masked
    assert masked.startswith("xxx")
    assert len(masked) < len(text)


@pytest.mark.parametrize("member", [Color.CRIMSON, Level.HIGH])
def test_a_member_of_an_enum_is_known_where_its_class_is(member: Enum) -> None:
    args, _ = sketch_arguments(encode_arguments((member,), {}, job="j"))
    text = f"{member!s} {member.name} {member.value}"
    assert Mask(args)(text) == Mask([member])(text)
    assert member.name not in Mask(args)(text)


def test_what_cannot_be_written_is_passed_over() -> None:
    class Mute:
        __hash__ = None  # type: ignore[assignment]

        def __str__(self) -> str:
            raise RuntimeError("no words")

    @dataclasses.dataclass
    class Holder:
        mute: Mute
        secret: str

    assert Mask([Holder(Mute(), "secret")])("a secret") == f"a {MASK}"


def test_values_that_overlap_are_hidden_together() -> None:
    assert Mask(["abc-1", "1-xyz"])("<abc-1-xyz>") == f"<{MASK}>"


def test_of_many_values_that_are_quoted_each_is_found() -> None:
    secrets = [f"o'clock {number}, it's" for number in range(2000)]
    assert "o'clock" not in Mask(secrets)(repr(secrets))
    assert Mask(secrets)("at o\\'clock 1999, it\\'s!") == f"at {MASK}!"


def test_a_long_value_is_found() -> None:
    secret = 'it\'s a "long" day\n' * 5000
    assert Mask([secret])(f"<{json.dumps(secret)[1:-1]}>") == f"<{MASK}>"


@pytest.mark.parametrize("text", ["a" + "'" * 2**20, "a%" + "25" * 2**19, "a&" + "amp;" * 2**18, "\\" * 2**20])
def test_no_text_takes_long(text: str) -> None:
    assert Mask(["a'b", "a%b", "a&b", "'\\'", "\\\\\\"])(text)


def test_an_object_is_looked_into_and_nothing_of_it_imported() -> None:
    args, kwargs = sketch_arguments(
        encode_arguments((Point("left-3", "right-4"),), {"at": Point(1, "deep-5")}, job="j")
    )
    assert Mask([args, [*kwargs.values()]])("left-3 right-4 deep-5 Point") == f"{MASK} {MASK} {MASK} Point"


@given(st.lists(values, max_size=3))
def test_whatever_can_travel_can_be_masked(some: list[Any]) -> None:
    data = encode_arguments(tuple(some), {}, job="j")
    args, _ = sketch_arguments(data)
    assert isinstance(Mask(args)(str(describe_arguments(data))), str)
