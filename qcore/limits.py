"""When a limit lets the next job start: the arithmetic of windows, on the store's clock. No store is touched here.

A limit keeps two tracks of instants. `starts` has those of jobs that began: it alone keeps the promise that no window
holds too many. `plan` has those that were given out: to jobs that began, and to those that were sent away, each with a
slot of its own in times to come. Whoever asks for the first time stands behind all of them; whoever comes back to its
slot needs room in `starts` alone. What a track is made of depends on the strategy:

* `sliding_window`: pairs of an instant and how many, in order of time. Of more than `EXACT` jobs a window some share
  an instant, the latest of them: a window may then end up to a 256th later than it could.
* `fixed_window`: the beginning of the last window used, and how many it holds.
* `token_bucket`, `leaky_bucket`: when the bucket will be full again (the theoretical arrival time of GCRA, ITU-T
  I.371); a token bucket lets `most` jobs start at once, a leaky one starts them one by one at even distances.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from qcore.states import Strategy

EXACT = 256
"""Jobs a window up to which a sliding window keeps each start."""
MARGIN, LONGEST_MARGIN_US = 33, 30_000
"""Slots of times to come lie a 33rd of a window further apart, 30 ms at the most: jobs begin a little late."""

LATE_US = 60_000_000
"""How late a job may come to its slot, or a window if that is longer: workers may be busy."""
SLOT_KEPT_US = 86_400_000_000
"""How long a slot is remembered that nobody has come for."""

SHUT_REASON = "rate limit"
"""Why a queue is paused whose own limit is used up."""

Track = list[int]


class Limit(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How many jobs of a key may start in a window of time."""

    key: str
    """190 characters at the most; those of one key share their window."""
    most: int
    window_us: int
    strategy: Strategy = Strategy.SLIDING_WINDOW
    queue: str | None = None
    """The queue whose own limit this is: while it is shut, the queue gives no jobs."""


class State(msgspec.Struct, array_like=True):
    """What is known of a limit."""

    strategy: Strategy
    most: int
    window_us: int
    starts: Track
    plan: Track


_encode = msgspec.msgpack.Encoder().encode
_decode_limit = msgspec.msgpack.Decoder(Limit | None).decode
_decode_state = msgspec.msgpack.Decoder(State).decode


class Slot(NamedTuple):
    """What a job was promised that was sent away."""

    at_us: int
    bound: int
    """Bit by bit the limits, in their order, in which the slot was taken."""
    keys: tuple[str, ...] = ()
    """Of those limits."""

    def holds(self, number: int, limit: Limit, now_us: int) -> bool:
        """Whether it still counts in that limit: who comes much too late asks anew."""
        return bool(self.bound >> number & 1) and now_us <= self.at_us + max(limit.window_us, LATE_US)

    def is_over(self, now_us: int) -> bool:
        """Whether its job has not come for it, and hardly will."""
        return self.at_us + SLOT_KEPT_US <= now_us


class Ruling(NamedTuple):
    """What becomes of a job that asked to start."""

    wait_us: int
    """0: it starts."""
    slot: Slot | None
    """What it is promised if it does not."""
    shut_us: int
    """How long its queue's own limit lets nobody start; 0: it is open, or there is none."""
    is_left: bool = False
    """It could start, and asked ahead: nothing was done."""


def fresh(limit: Limit) -> State:
    """A limit of which nothing is known."""
    return State(limit.strategy, limit.most, limit.window_us, [], [])


def fitting(limit: Limit, state: State | None) -> State:
    """What is known of a limit, by its figures of today."""
    if state is None or state.strategy is not limit.strategy or state.window_us != limit.window_us:
        return fresh(limit)
    state.most = limit.most
    return state


def pack(state: State) -> bytes:
    """Bring what is known into the form in which stores keep it."""
    return _encode(state)


def unpack(packed: bytes) -> State:
    """Read what `pack` made."""
    return _decode_state(packed)


def unpack_own(packed: bytes) -> Limit | None:
    """Read what `pack_own` made."""
    limit: Limit | None = _decode_limit(packed)
    return limit


def pack_own(limit: Limit | None) -> bytes:
    """Bring the word of an operator on a queue's limit into the form in which stores keep it; None: no limit."""
    return _encode(limit)


def rule(
    limits: Sequence[Limit], states: Sequence[State], slot: Slot | None, now_us: int, *, ahead: bool = False
) -> Ruling:
    """Let a job start by all its limits, or send it away: then it has a slot in each that is shut.

    Args:
        limits: of the job, one at least.
        states: of the limits, which are changed to what they are afterwards.
        slot: what it was promised before.
        now_us: by the store's clock.
        ahead: leave it where it could start.
    """
    _drop_past(states, now_us)
    bound = [slot is not None and slot.holds(number, limit, now_us) for number, limit in enumerate(limits)]
    opens = [earliest(state, state.starts, now_us) for state in states]
    turns = [
        opened if is_bound else max(opened, earliest(state, state.plan, now_us))
        for state, opened, is_bound in zip(states, opens, bound, strict=True)
    ]
    if max(turns) <= now_us:
        if ahead:
            return Ruling(0, slot, 0, is_left=True)
        for state, is_bound in zip(states, bound, strict=True):
            note(state, state.starts, now_us)
            if not is_bound:
                note(state, state.plan, now_us)
        return Ruling(0, None, 0)
    taken = 0
    for number, state in enumerate(states):
        if turns[number] > now_us and not bound[number]:
            turns[number] += margin_us(state)
            note(state, state.plan, turns[number])
        if turns[number] > now_us or bound[number]:
            taken |= 1 << number
    due_us = max(turns)
    keys = tuple(limit.key for number, limit in enumerate(limits) if taken >> number & 1)
    shut = [opened - now_us for limit, opened in zip(limits, opens, strict=True) if limit.queue]
    return Ruling(due_us - now_us, Slot(due_us, taken, keys), max(0, *shut, 0))


def replan(state: State, slots: Iterable[int]) -> None:
    """Let a limit have given out nothing but these slots, beside what began: others were given back."""
    state.plan = [*state.starts]
    for at_us in sorted(slots):
        note(state, state.plan, at_us)


def earliest(state: State, track: Track, now_us: int) -> int:
    """When the next one fits into a track; `now_us` if that is now."""
    if not track:
        return now_us
    if state.strategy is Strategy.SLIDING_WINDOW:
        place = _full_from(state, track)
        return now_us if place is None else max(now_us, track[place] + state.window_us)
    if state.strategy is Strategy.FIXED_WINDOW:
        began, held = track
        return max(now_us, began if held < state.most else began + state.window_us)
    burst = state.most if state.strategy is Strategy.TOKEN_BUCKET else 1
    return max(now_us, track[0] - (burst - 1) * _step_us(state))


def note(state: State, track: Track, at_us: int) -> None:
    """Put one more into a track, in the order of time."""
    if state.strategy is Strategy.SLIDING_WINDOW:
        _note_sliding(state, track, at_us)
    elif state.strategy is Strategy.FIXED_WINDOW:
        _note_fixed(state, track, at_us)
    else:
        track[:] = [max(track[0] if track else 0, at_us) + _step_us(state)]


def margin_us(state: State) -> int:
    """How much later than it could be a slot of times to come lies."""
    if state.strategy is Strategy.FIXED_WINDOW:
        return 0
    apart_us = state.window_us if state.strategy is Strategy.SLIDING_WINDOW else _step_us(state)
    return min(apart_us // MARGIN, LONGEST_MARGIN_US)


def used(state: State, now_us: int) -> int:
    """How many of its window a limit has let start by now."""
    track = state.starts
    if not track:
        return 0
    if state.strategy is Strategy.SLIDING_WINDOW:
        return sum(track[n + 1] for n in range(0, len(track), 2) if track[n] + state.window_us > now_us)
    if state.strategy is Strategy.FIXED_WINDOW:
        return track[1] if track[0] + state.window_us > now_us else 0
    return min(state.most, max(0, -(-(track[0] - now_us) // _step_us(state))))


def over_us(state: State) -> int:
    """From when on nothing of it matters any more."""
    lasts = [
        track[-2] if state.strategy is Strategy.SLIDING_WINDOW else track[0]
        for track in (state.starts, state.plan)
        if track
    ]
    return max(lasts, default=0) + state.window_us


def _drop_past(states: Sequence[State], now_us: int) -> None:
    """Leave out what is no window's any more: else a track grows until it holds as many as one may."""
    for state in states:
        for track in (state.starts, state.plan) if state.strategy is Strategy.SLIDING_WINDOW else ():
            past = next((n for n in range(0, len(track), 2) if track[n] + state.window_us > now_us), len(track))
            del track[:past]


def _full_from(state: State, track: Track) -> int | None:
    """The place from which on a track holds as many as a window may; None where all of it holds fewer."""
    if sum(track[1::2]) < state.most:
        return None
    held = 0
    for n in range(len(track) - 2, -1, -2):
        held += track[n + 1]
        if held >= state.most:
            return n
    raise AssertionError("the sum was reached")


def _note_sliding(state: State, track: Track, at_us: int) -> None:
    if state.most > EXACT:
        grain_us = -(-state.window_us // EXACT)
        at_us += -at_us % grain_us
    if track and track[-2] >= at_us:
        track[-1] += 1
    else:
        track += [at_us, 1]
    place = _full_from(state, track)
    if place:
        del track[:place]


def _note_fixed(state: State, track: Track, at_us: int) -> None:
    began = at_us - at_us % state.window_us
    if not track or track[0] < began:
        track[:] = [began, 1]
    elif track[1] < state.most:
        track[1] += 1
    else:
        track[:] = [track[0] + state.window_us, 1]


def _step_us(state: State) -> int:
    return -(-state.window_us // state.most)
