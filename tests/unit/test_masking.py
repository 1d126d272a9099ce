"""Hidden values are taken out of texts, in whatever form a text quotes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from codec_kinds import Point, values
from hypothesis import given
from hypothesis import strategies as st

from qcore.codec import MASK, Mask, describe_arguments, encode_arguments, sketch_arguments


@given(st.text(min_size=3, max_size=20))
def test_a_text_is_found_as_it_prints_and_as_it_is_quoted(secret: str) -> None:
    for quoted in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        assert Mask([secret])(f"<{quoted}>") == f"<{MASK}>"


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
