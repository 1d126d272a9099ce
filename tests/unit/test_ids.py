from __future__ import annotations

import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from qcore import ids
from qcore.ids import id_time_us, is_id, new_id

FIRST_EVER = 0x0123456789AB


def test_an_id_is_a_uuid_of_version_7() -> None:
    parsed = uuid.UUID(new_id())
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122


def test_ids_grow_strictly_within_a_process() -> None:
    made = [new_id() for _ in range(5_000)]
    assert made == sorted(set(made))


def test_ids_grow_while_the_clock_stands_or_runs_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([10**18, 10**18, 10**18 - 5_000_000_000, 10**18 + 1])
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(ids, "time_ns", lambda: next(readings))
    made = [new_id() for _ in range(4)]
    assert made == sorted(set(made))


def test_threads_never_share_an_id() -> None:
    start = threading.Barrier(4)

    def make() -> list[str]:
        start.wait()
        return [new_id() for _ in range(2_000)]

    with ThreadPoolExecutor(4) as pool:
        lists = [future.result() for future in [pool.submit(make) for _ in range(4)]]
    assert len({one for made in lists for one in made}) == 8_000
    assert all(made == sorted(made) for made in lists)


def test_a_forked_child_draws_randomness_of_its_own() -> None:
    new_id()  # so that the parent holds tails that a child must not use again
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, "".join(new_id() for _ in range(50)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    tails = {text[at : at + 36][19:] for at in range(0, len(text), 36)}
    assert len(tails) == 50
    assert not tails & {new_id()[19:] for _ in range(300)}


def test_the_time_of_an_id_is_when_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(ids, "time_ns", lambda: 1_700_000_000_123_456_000)
    assert abs(id_time_us(new_id()) - 1_700_000_000_123_456) <= 1


def test_the_time_of_an_id_of_another_maker_is_good_to_a_millisecond() -> None:
    assert id_time_us("01234567-89ab-7fff-bfff-ffffffffffff") // 1000 == FIRST_EVER


@pytest.mark.parametrize(
    "text", ["", "x", "01234567-89ab-4fff-bfff-ffffffffffff", "01234567-89AB-7FFF-BFFF-FFFFFFFFFFFF"]
)
def test_what_is_no_id_is_told_apart(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(ValueError, match="is no job id"):
        id_time_us(text)


def test_a_made_id_is_an_id_and_one_with_a_newline_is_not() -> None:
    made = new_id()
    assert is_id(made)
    assert not is_id(made + "\n")
