"""Batches, chains and graphs on a server: what is done to them and what is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from qcore.drivers.notes import refuse_ended
from qcore.drivers.redis.reasons import queue_full
from qcore.drivers.redis.scripts import script
from qcore.drivers.redis.wire import group_of, groups_of, pack, raw, unraw
from qcore.flows import Flow, FlowKind, FlowPage, FlowRecord, Opening, Step, StepState

if TYPE_CHECKING:
    from qcore.drivers.operator import FlowChange
    from qcore.drivers.redis.server import Argument, Server
    from qcore.flows import Weave

_SWAPPED_AT_ONCE = 4 * 1000
_NUMBERS = (
    "total",
    "processed",
    "failed",
    "cancelled",
    "excused",
    "allowed",
    "hooks",
    "hooked",
    "live",
    "progress",
)
_FLAGS = ("is_open", "has_begun")
_RARE = ("allowed_ppm", "failed_us", "cancelled_us", "finished_us")
_WORDS = ("parent", "failed_by")
_READ = ("id", "kind", "name", "created_us", "options", *_NUMBERS, *_FLAGS, *_RARE, *_WORDS)


class _Step(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A step as `lua/lib/flows.lua` keeps it."""

    place: int
    strand: int
    name: str | bool
    job: str
    is_flow: bool
    state: int
    waits: int
    parents: tuple[str, ...]
    children: tuple[str, ...]
    group: msgspec.Raw
    error: str | bool
    runtime_us: int | bool
    ended: str | bool


_unpack_step = msgspec.msgpack.Decoder(_Step).decode
_unpack_group = msgspec.msgpack.Decoder(list[msgspec.Raw] | bool).decode
_unpack_callbacks = msgspec.msgpack.Decoder(dict[str, list[msgspec.Raw]] | list[Any]).decode  # a list: there are none


class RedisFlows:
    """What all three faces say of flows."""

    _server: Server

    def weave(self, weave: Weave, *, within: Any = None) -> int:
        """Store flows, their steps and members in one step; see `Driver.weave`."""
        self._refuse_transaction(within)
        steps = [(step.flow, step.id, raw(_packed(step))) for step in weave.steps]
        head = pack((weave.extends or False, [_opening(one) for one in weave.openings], steps))
        told = self._server.run(script("weave"), [head, *groups_of(weave.members)])
        if isinstance(told, list):
            raise queue_full(*told)
        if told == b"gone":
            refuse_ended(None, weave.extends or "")
        if told == b"finished":
            refuse_ended(Flow(id=weave.extends or "", kind=FlowKind.BATCH, finished_us=1), weave.extends or "")
        return int(told)

    def close_flow(self, flow: str) -> bool:
        """Let an open flow finish; whether it was open."""
        return bool(self._server.run(script("flow"), ["close", flow]))

    def cancel_flow(self, flow: str) -> bool:
        """Stop a flow; whether it was under way."""
        return bool(self._server.run(script("flow"), ["cancel", flow]))

    def retry_flow(self, flow: str, *, limit: int = 1000) -> Sequence[str]:
        """Put failed members of a flow back; returns their ids."""
        return self.retry(self.failed_of(flow, limit=limit))

    def delete_flow(self, flow: str) -> bool:
        """Forget a flow and its steps; whether it was there."""
        return bool(self._server.run(script("drop_flow"), [flow]))

    # -- reading -------------------------------------------------------------------------------------------------

    def flow(self, flow: str) -> FlowRecord | None:
        """Read one flow."""
        values = self._server.call("HMGET", f"{self._server.root}flow:{flow}", *_READ)
        return _record(values) if values[0] is not None else None

    def flows(self, kinds: Sequence[FlowKind], *, cursor: str | None = None, limit: int = 50) -> FlowPage:
        """List flows, newest first; see `Reader.flows`."""
        ids: list[str] = []
        for kind in kinds:
            key, before = f"{self._server.root}flows:{kind.value}", "+" if cursor is None else f"({cursor}"
            found = self._server.call("ZREVRANGEBYLEX", key, before, "-", "LIMIT", 0, limit + 1)
            ids += [one.decode() for one in found]
        newest = sorted(ids, reverse=True)
        shown = tuple(record for one in newest[:limit] if (record := self.flow(one)) is not None)
        return FlowPage(shown, newest[limit - 1] if len(newest) > limit else None)

    def steps(self, flow: str) -> Sequence[Step]:
        """Read the steps of a flow, in order."""
        ids = [one.decode() for one in self._server.call("HKEYS", f"{self._server.root}steps:{flow}")]
        return sorted(self.steps_among(flow, ids), key=lambda step: (step.strand, step.place))

    def steps_among(self, flow: str, ids: Sequence[str]) -> Sequence[Step]:
        """Read those of the ids that are steps of a flow."""
        if not ids:
            return []
        root = self._server.root
        packed = self._server.call("HMGET", f"{root}steps:{flow}", *ids)
        results = self._server.call("HMGET", f"{root}stepresults:{flow}", *ids)
        found = zip(ids, packed, results, strict=True)
        return [_step(flow, one, value, result) for one, value, result in found if value is not None]

    def payloads_of(self, flow: str) -> Sequence[bytes]:
        """Read the payloads that a flow keeps for later."""
        root = self._server.root
        steps = map(_unpack_step, self._server.call("HVALS", f"{root}steps:{flow}"))
        later = [_unpack_group(one.group) for one in steps if StepState(one.state).may_start]
        packed = self._server.call("HGET", f"{root}flow:{flow}", "callbacks")
        callbacks = _unpack_callbacks(packed) if packed else {}
        groups = [*later, *(callbacks.values() if isinstance(callbacks, dict) else ())]
        return [unraw(group[-1]) for group in groups if isinstance(group, list)]

    def reseal_flow(self, change: FlowChange) -> int:
        """Put new payloads, options and results in the place of those that a flow keeps; returns how many."""
        flow, root = change.flow, self._server.root
        swaps: list[Argument] = []
        for result in change.results:
            swaps += (f"stepresults:{flow}", *result)
        kept = self._server.call("HGETALL", f"{root}steps:{flow}")
        for step_id, packed in zip(kept[::2], kept[1::2], strict=True):
            step = _unpack_step(packed)
            group = _resealed(_unpack_group(step.group), change)
            if group is not None:
                swaps += (f"steps:{flow}", step_id, packed, pack(replace(step, group=msgspec.Raw(pack(group)))))
        packed, options = self._server.call("HMGET", f"{root}flow:{flow}", "callbacks", "options")
        callbacks = _unpack_callbacks(packed) if packed else None
        if isinstance(callbacks, dict):
            changed = {hook: new for hook, group in callbacks.items() if (new := _resealed(group, change)) is not None}
            if changed:
                swaps += (f"flow:{flow}", "callbacks", packed, pack({**callbacks, **changed}))
        if change.options is not None and options == change.options[0]:
            swaps += (f"flow:{flow}", "options", *change.options)
        pieces = (swaps[first : first + _SWAPPED_AT_ONCE] for first in range(0, len(swaps), _SWAPPED_AT_ONCE))
        return sum(int(self._server.run(script("swap"), piece)) for piece in pieces)

    def failed_of(self, flow: str, *, limit: int = 1000) -> Sequence[str]:
        """Name failed members of a flow, by id."""
        return [one.decode() for one in self._server.run(script("failed_of"), [flow, limit])]

    def retry(self, ids: Sequence[str]) -> Sequence[str]:
        """Put failed jobs back; see `Operator.retry`."""
        raise NotImplementedError

    def _refuse_transaction(self, within: Any) -> None:
        raise NotImplementedError


def _resealed(group: list[msgspec.Raw] | bool, change: FlowChange) -> list[msgspec.Raw] | None:
    """What a flow keeps of a job, with another payload; None where it keeps that one."""
    if isinstance(group, bool):
        return None
    new = change.payloads.get(unraw(group[-1]))
    return None if new is None else [*group[:-1], raw(new)]


def _opening(opening: Opening) -> tuple[Any, ...]:
    flow = opening.flow
    values: list[str] = []
    for name in (*_NUMBERS, *_FLAGS):
        values += (name, str(int(getattr(flow, name))))
    for name in ("name", *_RARE, *_WORDS):
        if (value := getattr(flow, name)) is not None:
            values += (name, str(value))
    callbacks = {hook.value: group_of(envelope) for hook, envelope in opening.callbacks}
    begins = not flow.has_begun or not flow.total
    return (flow.id, flow.kind.value, values, raw(opening.options), callbacks, begins)


def _packed(step: Step) -> bytes:
    group = False if step.envelope is None else group_of(step.envelope)
    return pack(
        (
            step.place,
            step.strand,
            step.name or False,
            step.job,
            step.is_flow,
            int(step.state),
            step.waits,
            step.parents,
            step.children,
            group,
            False,
            False,
            False,
        )
    )


def _record(values: Sequence[bytes | None]) -> FlowRecord:
    told = dict(zip(_READ, values, strict=True))
    fields: dict[str, Any] = {name: int(told[name] or 0) for name in (*_NUMBERS, "created_us")}
    fields.update((name, told[name] == b"1") for name in _FLAGS)
    fields.update((name, int(value)) for name in _RARE if (value := told[name]) is not None)
    fields.update((name, _text(value)) for name in _WORDS if (value := told[name]) is not None)
    flow = Flow(id=_text(told["id"]), kind=FlowKind(_text(told["kind"])), name=_text(told["name"]), **fields)
    return FlowRecord(flow=flow, options=told["options"] or b"")


def _step(flow: str, step_id: str, packed: bytes, result: bytes | None) -> Step:
    known = _unpack_step(packed)
    return Step(
        id=step_id,
        flow=flow,
        place=known.place,
        strand=known.strand,
        name=known.name or None,  # type: ignore[arg-type]  # a text or False, as the rest
        job=known.job,
        is_flow=known.is_flow,
        state=StepState(known.state),
        waits=known.waits,
        parents=known.parents,
        children=known.children,
        result=result,
        error=known.error or None,  # type: ignore[arg-type]
        runtime_us=None if known.runtime_us is False else int(known.runtime_us),
        ended_us=int(known.ended) if known.ended else None,
    )


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
