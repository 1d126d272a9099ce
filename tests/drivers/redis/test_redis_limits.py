"""The arithmetic of limits in Lua is that of Python: the same questions, the same answers and the same books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qcore import limits
from qcore.drivers.redis.scripts import Script, _source, script
from qcore.limits import Limit, Slot, State
from qcore.states import Strategy

T0 = 1_764_000_000_000_000
_CLOCK = """
local now = tonumber(ARGV[1])
local function stamp(us) return string.format('%016.0f', math.min(us, 9007199254740991)) end
local NOW = stamp(now)
"""
_BODY = """
local limits = {}
for at = 3, #ARGV, 5 do
  limits[#limits + 1] = { key = ARGV[at], most = tonumber(ARGV[at + 1]), window = tonumber(ARGV[at + 2]),
    strategy = tonumber(ARGV[at + 3]), queue = ARGV[at + 4] }
end
local wait = start_by(ARGV[2], limits, false)
keep_limits()
local slot = slot_of(ARGV[2])
local books = {}
for n, limit in ipairs(limits) do
  books[n] = call('HGET', LIMITS, limit.key)
end
return { wait or 0, slot and stamp(slot.at) or '', slot and slot.bound or 0, slot and slot.keys or {}, books }
"""
LIMITS = st.lists(
    st.builds(
        Limit,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([1, 2, 5, 300, 100_000]),
        st.sampled_from([1_000, 777_777, 60_000_000]),
        st.sampled_from(list(Strategy)),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda limit: limit.key,
)
ASKED = st.lists(st.tuples(st.sampled_from(["x", "y", "z"]), st.integers(0, 2_000_000)), min_size=1, max_size=25)


def lua() -> Script:
    """`start_by` at an instant of the test's."""
    whole = script("start").text
    clock, start = _source("lib/clock.lua"), _source("start.lua")
    assert whole.count(clock) == whole.count(start) == 1
    text = whole.replace(clock, _CLOCK).replace(start, _BODY)
    return Script("test", text, __import__("hashlib").sha1(text.encode(), usedforsecurity=False).hexdigest())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=LIMITS, asked=ASKED)
def test_lua_and_python_agree(driver: Any, several: Sequence[Limit], asked: Sequence[tuple[str, int]]) -> None:
    driver._server.call("FLUSHDB")
    ours = lua()
    states = [limits.fresh(limit) for limit in several]
    slots: dict[str, Slot | None] = {}
    now_us = T0
    for job, gap_us in asked:
        now_us += gap_us
        ruling = limits.rule(several, states, slots.get(job), now_us)
        slots[job] = ruling.slot
        told = [part for one in several for part in (one.key, one.most, one.window_us, int(one.strategy), "")]
        wait_us, at, bound, keys, books = driver._server.run(ours, [now_us, job, *told])
        assert wait_us == ruling.wait_us
        assert (Slot(int(at), bound, tuple(key.decode() for key in keys)) if at else None) == ruling.slot
        assert [msgspec.msgpack.decode(book, type=State) for book in books] == states
