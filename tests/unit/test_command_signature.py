"""The signature language: what is written is what is meant, and what is wrong is shown where it is."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qcore import ConfigurationError
from qctl.console.signature import Parameter, Signature, Value, parse

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda name: name not in {"help", "app", "config", "profile"}
)
COMMANDS = st.from_regex(r"[a-z][a-z0-9_.-]{0,6}(:[a-z0-9_.-]{1,6}){0,2}", fullmatch=True)
LETTERS = st.sampled_from("abcdefgijklmnopqrstuvwxyzABCDEFG0123456789")
BLANKS = st.sampled_from(["", " ", "  ", "\t", "\n  "])
WORDS = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=20).map(str.strip)
DEFAULTS = WORDS.filter(lambda text: text and text[0] not in "*:" and not re.search(r"\s:(\s|$)", text))
ITEMS = st.lists(DEFAULTS.filter(lambda text: "," not in text), min_size=1, max_size=3).map(tuple)


@st.composite
def arguments(draw: st.DrawFn) -> list[Parameter]:
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    required = draw(st.integers(0, len(names)))
    found = []
    for place, name in enumerate(names):
        is_many = place == len(names) - 1 and draw(st.booleans())
        is_required = place < required
        default: Value = () if is_many else None
        if not is_required and draw(st.booleans()):
            default = draw(ITEMS) if is_many else draw(DEFAULTS)
        one = Parameter(name=name, is_many=is_many, is_required=is_required, default=default, help=draw(WORDS))
        found.append(one)
    return found


@st.composite
def options(draw: st.DrawFn) -> list[Parameter]:
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    letters = draw(st.lists(LETTERS, min_size=len(names), max_size=len(names), unique=True))
    found = []
    for name, letter in zip(names, letters, strict=True):
        kind = draw(st.sampled_from(["flag", "value", "many"]))
        default = {
            "flag": st.just(False),
            "value": st.one_of(st.none(), DEFAULTS),
            "many": st.one_of(st.just(()), ITEMS),
        }[kind]
        one = Parameter(
            name=name,
            is_option=True,
            letter=letter if draw(st.booleans()) else "",
            is_flag=kind == "flag",
            is_many=kind == "many",
            default=draw(default),
            help=draw(WORDS),
        )
        found.append(one)
    return found


def written(one: Parameter, blank: str) -> str:
    """A parameter as a user writes it, with blanks where some may stand."""
    if one.is_option:
        text = f"--{one.letter}{blank}|{blank}{one.name}" if one.letter else f"--{one.name}"
        text += "" if one.is_flag else f"{blank}={blank}"
    else:
        text = one.name + (f"{blank}={blank}" if one.default else "?" * (not one.is_required))
    if isinstance(one.default, tuple):
        text += "*" + f"{blank},{blank}".join(one.default)
    elif one.default:
        text += str(one.default)
    return "{" + blank + text + (f" :{blank or ' '}{one.help}" if one.help else "") + blank + "}"


@given(st.data(), COMMANDS, arguments(), options(), BLANKS)
def test_what_is_written_is_what_is_meant(
    data: st.DataObject, name: str, arguments: list[Parameter], options: list[Parameter], blank: str
) -> None:
    order = data.draw(st.permutations([False] * len(arguments) + [True] * len(options)))
    given, chosen = iter(arguments), iter(options)
    parameters = [next(chosen if is_option else given) for is_option in order]
    text = blank + name + "".join(f" {written(one, blank)}{blank}" for one in parameters)
    assert parse(text, "X") == Signature(name, tuple(parameters))


PIECES = st.sampled_from(["{", "}", "--", "=", "*", "?", "|", " : ", " ", "a", "b:c", "help", "é", "\x1b", "1"])


@given(st.one_of(st.text(), st.lists(PIECES, max_size=24).map("".join)))
def test_any_text_is_a_signature_or_a_configuration_error(text: str) -> None:
    wrong: list[ConfigurationError] = []
    try:
        assert parse(text, "shop.Broken").name in text
    except ConfigurationError as error:
        wrong.append(error)
    for one in wrong:
        assert one.message.startswith(f"shop.Broken: signature {text!r}, character ")
        place = re.match(r"\d+", one.message.removeprefix(f"shop.Broken: signature {text!r}, character "))
        assert place is not None
        assert 1 <= int(place[0]) <= len(text) + 1


@given(COMMANDS, st.text(max_size=10))
def test_what_stands_outside_of_braces_is_refused(name: str, stray: str) -> None:
    assume(stray.strip() and "{" not in stray)
    with pytest.raises(ConfigurationError, match="outside of braces"):
        parse(f"{name} {{a}} {stray}", "X")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{user}", Parameter(name="user", is_required=True)),
        ("{user?}", Parameter(name="user")),
        ("{user=ann}", Parameter(name="user", default="ann")),
        ("{user*}", Parameter(name="user", is_many=True, is_required=True, default=())),
        ("{user?*}", Parameter(name="user", is_many=True, default=())),
        ("{user=*ann, bob}", Parameter(name="user", is_many=True, default=("ann", "bob"))),
        ("{--loud}", Parameter(name="loud", is_option=True, is_flag=True, default=False)),
        ("{--queue=}", Parameter(name="queue", is_option=True)),
        ("{--queue=high low}", Parameter(name="queue", is_option=True, default="high low")),
        ("{--Q|queue=}", Parameter(name="queue", is_option=True, letter="Q")),
        ("{--l|loud}", Parameter(name="loud", is_option=True, letter="l", is_flag=True, default=False)),
        ("{--id=*}", Parameter(name="id", is_option=True, is_many=True, default=())),
        ("{--id=*1,2}", Parameter(name="id", is_option=True, is_many=True, default=("1", "2"))),
        ("{user : Who : whom}", Parameter(name="user", is_required=True, help="Who : whom")),
        ("{--at=10:30 : When}", Parameter(name="at", is_option=True, default="10:30", help="When")),
    ],
)
def test_every_form(written: str, meant: Parameter) -> None:
    assert parse(f"shop:do {written}", "X").parameters == (meant,)


@pytest.mark.parametrize(
    ("signature", "place", "reason"),
    [
        ("", 1, "a command's name should stand here"),
        ("  {a}", 3, "a command's name should stand here"),
        ("do {a", 4, "no } closes this {"),
        ("do {a {b}}", 7, "a { within braces"),
        ("do a", 4, "'a' stands outside of braces"),
        ("do {a}}", 7, "'}' stands outside of braces"),
        ("do {}", 5, "a name is missing"),
        ("do {--}", 7, "a name is missing"),
        ("do {1a}", 5, "'1a' is no name"),
        ("do {a=}", 5, "the default of 'a' is missing"),
        ("do {--qq|queue}", 7, "'qq' is no short form"),
        ("do {--q|}", 9, "a name is missing"),
        ("do {a?} {b}", 10, "'b' must be given, but 'a' before it need not be"),
        ("do {a*} {b?}", 10, "'a' takes all that follows"),
        ("do {a} {a}", 9, "a second a"),
        ("do {--a} {--a=}", 11, "a second --a"),
        ("do {--x|a} {--x|b}", 13, "a second -x"),
        ("do {--help}", 5, "--help, -h, --app, --config, --profile and -P are the tool's own"),
        ("do {--h|here}", 5, "--help, -h, --app, --config, --profile and -P are the tool's own"),
        ("do {--app=}", 5, "--help, -h, --app, --config, --profile and -P are the tool's own"),
    ],
)
def test_what_is_wrong_is_shown_where_it_is(signature: str, place: int, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(signature, "shop.Broken")
    assert caught.value.message.startswith(f"shop.Broken: signature {signature!r}, character {place}: {reason}")


def test_an_argument_and_an_option_may_share_a_name() -> None:
    found = parse("do {queue} {--queue=}", "X")
    assert list(found.arguments) == list(found.options) == ["queue"]


def test_a_signature_that_is_no_text() -> None:
    with pytest.raises(ConfigurationError, match=r"^X: its signature is 3, and no text$"):
        parse(3, "X")  # type: ignore[arg-type]  # a class attribute may be anything
