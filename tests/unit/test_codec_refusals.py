from __future__ import annotations

import collections
import dataclasses
import enum
import io
import sys
import threading
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import codec_kinds as kinds
import msgspec
import pytest
from codec_kinds import Child, Frozen, Point, Record
from hypothesis import given
from hypothesis import strategies as st

from qcore.codec import decode_arguments, decode_value, encode_arguments, encode_value
from qcore.codec.tags import Tag
from qcore.errors import PayloadError


class Str(str):
    __slots__ = ()


class Pair(NamedTuple):
    a: int


class LocalZone(tzinfo):
    def utcoffset(self, _: datetime | None) -> None:
        return None

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> None:
        return None


@dataclasses.dataclass
class Fault(Exception):  # noqa: N818  a dataclass that is an error too
    text: str


class Odd(enum.Enum):
    A = 1


Odd_B = object.__new__(Odd)
Odd_B._name_ = "B"
Odd_B._value_ = 2


def handler(items: Any, *rest: Any, owner: Any = None) -> None:
    """What the arguments of these tests are for."""


def refusal(*args: Any, **kwargs: Any) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        encode_arguments(args, kwargs, job="app.jobs:SendEmail", target=handler)
    return caught.value


@pytest.mark.parametrize(
    ("value", "kind", "hint"),
    [
        (threading.Lock(), "_thread.lock", "an id, a path, a dataclass"),
        (Str("x"), "test_codec_refusals.Str", "pass str(value)"),
        (collections.OrderedDict(a=1), "collections.OrderedDict", "pass dict(value)"),
        (collections.defaultdict(list), "collections.defaultdict", "pass dict(value)"),
        (Pair(1), "test_codec_refusals.Pair", "pass tuple(value)"),
        (bytearray(b"x"), "bytearray", "pass bytes(value)"),
        (memoryview(b"x"), "memoryview", "pass bytes(value)"),
        (io.BytesIO(), "_io.BytesIO", "the file's path"),
        (ValueError("x"), "ValueError", "pass str(error)"),
        (Fault("x"), "test_codec_refusals.Fault", "pass str(error)"),
        (int, "type", "pass its name"),
        (print, "builtin_function_or_method", "inside `handle`"),
        (iter([]), "list_iterator", "pass list(value)"),
        (range(3), "range", "pass list(value)"),
        ({}.keys(), "dict_keys", "pass list(value)"),
        (Child(1), "codec_kinds.Child", "decorate it with @dataclass too"),
        (object(), "object", "an id, a path, a dataclass"),
        (1j, "complex", "an id, a path, a dataclass"),
    ],
    ids=lambda value: ascii(value).partition(" at 0x")[0][:30],
)
def test_what_cannot_travel_is_named_with_its_type_and_what_to_do(value: Any, kind: str, hint: str) -> None:
    error = refusal(value)
    assert str(error) == f'job "app.jobs:SendEmail": argument "items" is a "{kind}", which cannot travel'
    assert hint in error.hint


@pytest.mark.parametrize(
    ("args", "kwargs", "place"),
    [
        (([0, 1, 2, Point(threading.Lock())],), {}, 'argument "items"[3].x'),
        ((1, 2, threading.Lock()), {}, "argument 3"),
        ((), {"owner": {"a": {1: (threading.Lock(),)}}}, "argument \"owner\"['a'][1][0]"),
        ((), {"items": 1, "owner": Record(Frozen(threading.Lock()))}, 'argument "owner".name.value'),
        (({threading.Lock()},), {}, 'argument "items"{…}'),
        (({threading.Lock(): 1},), {}, 'argument "items" key <unlocked'),
    ],
)
def test_the_place_of_it_is_told_as_python_writes_it(args: Any, kwargs: Any, place: str) -> None:
    assert str(refusal(*args, **kwargs)).startswith(f'job "app.jobs:SendEmail": {place}')


def test_without_a_signature_an_argument_goes_by_its_place() -> None:
    with pytest.raises(PayloadError, match=r'job "app:Job": argument 2 is a "object"'):
        encode_arguments((1, object()), {}, job="app:Job")


def test_a_target_without_a_signature_names_nothing() -> None:
    with pytest.raises(PayloadError, match="argument 1 is"):
        encode_arguments((object(),), {}, job="app:Job", target=dict.pop)


def test_a_name_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(PayloadError, match='job "app:Job": the name of an argument is no Unicode'):
        encode_arguments((), {"\ud800": 1}, job="app:Job")


def test_a_value_is_named_as_it_was_asked_to_be() -> None:
    with pytest.raises(PayloadError, match=r'^result of job "app:Job"\[0\] is a "object"'):
        encode_value([object()], what='result of job "app:Job"')


def test_a_cycle_is_refused_and_a_value_used_twice_is_not() -> None:
    cycle: list[Any] = [1]
    cycle.append({"again": cycle})
    assert "[1]['again'] contains itself" in str(refusal(cycle))
    point = Point(1)
    point.x = (point,)
    assert "contains itself" in str(refusal(point))
    shared = (1, 2)
    assert decode_value(encode_value([shared, shared], what="")) == [shared, shared]


def test_a_long_way_down_is_cut_in_the_middle() -> None:
    deep: Any = object()
    for _ in range(60):
        deep = [deep]
    assert str(refusal(deep)).count("[0]") < 20


def test_a_zone_of_ones_own_is_refused() -> None:
    error = refusal(datetime(2024, 1, 1, tzinfo=LocalZone()))
    assert "has the zone" in str(error)
    assert "zoneinfo.ZoneInfo" in error.hint


def test_a_class_that_no_worker_can_import_is_refused_with_what_to_do() -> None:
    @dataclasses.dataclass
    class Local:
        x: int = 0

    error = refusal([Local()])
    assert 'class "test_a_class_that_no_worker_can_import_is_refused_with_what_to_do.<locals>.Local"' in str(error)
    assert "is defined inside a function" in str(error)
    assert "top of a module" in error.hint


def test_a_class_of_the_script_that_runs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = enum.Enum("kind", {"A": 1}, module="__main__")
    assert "(__main__)" in str(refusal(kind.A))


def test_a_class_hidden_behind_another_of_its_name_is_refused() -> None:
    hidden = dataclasses.make_dataclass("Point", ["x"])
    hidden.__module__ = "codec_kinds"
    assert 'is not what "codec_kinds" has under that name' in str(refusal(hidden(1)))


def test_a_member_that_its_class_does_not_list_is_refused() -> None:
    assert "does not list" in str(refusal(Odd_B))


def test_a_full_call_stack_is_an_error_in_words() -> None:
    def dive() -> PayloadError:
        try:
            return dive()
        except RecursionError:
            deep: Any = (1,)
            for _ in range(90):
                deep = (deep,)
            return refusal(deep)

    assert "call stack is almost full" in str(dive())


# --- reading ------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=64))
def test_random_bytes_give_a_value_or_a_payload_error(data: bytes) -> None:
    for decode in (decode_value, decode_arguments):
        try:
            decode(data)
        except PayloadError:
            continue


@given(kinds.values, st.data())
def test_damaged_bytes_give_a_value_or_a_payload_error(value: Any, data: st.DataObject) -> None:
    encoded = bytearray(encode_value(value, what=""))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    del encoded[data.draw(st.integers(0, len(encoded))) :]
    try:
        decode_value(bytes(encoded))
    except PayloadError:
        return


@given(st.integers(0, 20), st.binary(max_size=40))
def test_every_tag_with_any_content_gives_a_value_or_a_payload_error(tag: int, content: bytes) -> None:
    try:
        decode_value(msgspec.msgpack.encode([msgspec.msgpack.Ext(tag, content)]))
    except PayloadError:
        return


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc0\xc0", b"\x91" * 5_000, b"\xdd\xff\xff\xff\xff", b"\xa2\xff\xff", b"\x81\x81\x01\x02\x03", b"\xc1"],
    ids=repr,
)
def test_damage_is_said_in_one_line(data: bytes) -> None:
    with pytest.raises(PayloadError, match=r"^the value cannot be read: ") as caught:
        decode_value(data)
    assert caught.value.hint == "the payload is damaged"


@pytest.mark.parametrize("outer", [1, [], [[], {}, 1], [{}, []], [[], {1: 2}], {"a": 1}])
def test_arguments_of_another_form_are_refused(outer: Any) -> None:
    with pytest.raises(PayloadError, match="no list and dict"):
        decode_arguments(msgspec.msgpack.encode(outer))


def test_bottomless_tags_are_refused() -> None:
    data = b"\x01"
    for _ in range(2_000):
        data = msgspec.msgpack.encode([msgspec.msgpack.Ext(Tag.TUPLE, data)])
    with pytest.raises(PayloadError, match="RecursionError"):
        decode_value(data)


@pytest.mark.parametrize("tag", [Tag.ENUM, Tag.FLAG, Tag.DATACLASS, Tag.STRUCT, Tag.ENTITY])
@pytest.mark.parametrize(
    "path",
    [
        *["os:system", "builtins:eval", "os:path.join", "subprocess:Popen", "codec_kinds:same", "codec_kinds:Child"],
        *["", ":", "os", "os:", ":system", "no_such_module:X", "codec_kinds:NoSuch", "..os:x", "__main__:X", "a b:c"],
    ],
)
def test_a_name_that_leads_elsewhere_is_never_called(tag: int, path: str) -> None:
    content = {Tag.FLAG: 1, Tag.ENUM: "A"}.get(tag, {"args": "touch /tmp/never"})
    inner = msgspec.msgpack.encode([path, content])
    with pytest.raises(PayloadError):
        decode_value(msgspec.msgpack.encode(msgspec.msgpack.Ext(tag, inner)), load_entity=lambda *_: None)


def test_a_module_that_fails_or_leaves_while_it_is_imported_is_an_error_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaving_module.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    inner = msgspec.msgpack.encode(["leaving_module:X", "A"])
    with pytest.raises(PayloadError, match='"leaving_module" cannot be imported: SystemExit: 3'):
        decode_value(msgspec.msgpack.encode(msgspec.msgpack.Ext(Tag.ENUM, inner)))


def test_a_class_that_changed_its_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("changing_module")
    thing: Any = enum.Enum("thing", {"A": 1}, module="changing_module")
    vars(module)["thing"] = thing
    monkeypatch.setitem(sys.modules, "changing_module", module)
    data = encode_value(thing.A, what="")
    vars(module)["thing"] = Point
    with pytest.raises(PayloadError, match='"changing_module:thing" is no enum'):
        decode_value(data)


def test_a_zone_that_this_host_lacks_is_an_error_in_words() -> None:
    inner = msgspec.msgpack.encode(["2024-01-01T00:00:00", 0, "Mars/Olympus"])
    with pytest.raises(PayloadError, match="Mars/Olympus"):
        decode_value(msgspec.msgpack.encode(msgspec.msgpack.Ext(Tag.DATETIME, inner)))


def test_a_type_of_a_newer_version_is_named_as_such() -> None:
    with pytest.raises(PayloadError, match="unknown type code 99") as caught:
        decode_value(msgspec.msgpack.encode(msgspec.msgpack.Ext(99, b"\xc0")))
    assert "newer version" in caught.value.hint


def test_utc_is_the_singleton_again() -> None:
    assert decode_value(encode_value(datetime(2024, 1, 1, tzinfo=UTC), what="")).tzinfo is UTC
