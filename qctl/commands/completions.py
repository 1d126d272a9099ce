"""What a shell completes beyond commands and options: names and ids from the store, and choices.

Whatever goes wrong is silent, and no store is made or changed: half a line is being typed.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from qctl.commands.remembered import remembered
from qctl.context import Invocation

if TYPE_CHECKING:
    from qcore.drivers import Store

_MOST = 50


def queues(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of queues that the stores know."""
    return _begun(ctx, incomplete, "queues", lambda store: (one.name for one in store.counts()))


def workers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of workers."""
    return _begun(ctx, incomplete, "workers", lambda store: (one.id for one in store.workers()))


def failed(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the newest failed jobs."""
    return _begun(ctx, incomplete, "failed", lambda store: (one.id for one in store.page("failed", limit=_MOST).jobs))


def batches(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the newest batches."""
    from qcore.flows import FlowKind

    return _begun(
        ctx,
        incomplete,
        "batches",
        lambda store: (one.flow.id for one in store.flows([FlowKind.BATCH], limit=_MOST).flows),
    )


def chains(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the newest chains and graphs."""
    from qcore.flows import FlowKind

    kinds = [FlowKind.CHAIN, FlowKind.GRAPH]
    return _begun(
        ctx, incomplete, "chains", lambda store: (one.flow.id for one in store.flows(kinds, limit=_MOST).flows)
    )


def one_of(choices: Iterable[str]) -> Callable[[str], list[str]]:
    """Complete one of a few words."""

    def begun(incomplete: str) -> list[str]:
        return [one for one in choices if one.startswith(incomplete)]

    return begun


def _begun(ctx: typer.Context, incomplete: str, of: str, ask: "Callable[[Store], Iterable[str]]") -> list[str]:
    if getattr(ctx.find_root().command, "told_before", ""):  # bash would put the whole name behind a colon of its own
        return []
    call = Invocation.of(ctx)
    with suppress(Exception):
        question = repr((of, Path.cwd(), call.flags_of_the_line, sorted(_environment())))
        return [one for one in remembered(question, lambda: _asked(call, ask)) if one and one.startswith(incomplete)]
    return []


def _environment() -> Iterable[tuple[str, str]]:
    """What else says which stores are meant."""
    return ((name, value) for name, value in os.environ.items() if name.startswith("QCTL_"))


def _asked(call: Invocation, ask: "Callable[[Store], Iterable[str]]") -> list[str]:
    """What the stores answer; those that do not are passed over."""
    found: set[str] = set()
    manager = call.glance()
    try:
        only = call.flags.connection
        for name in [only] if only else manager.connections_in_use():
            with suppress(Exception):
                found.update(_answer(manager.look_at(name), ask))
    finally:
        manager.close()
    return sorted(found)


def _answer(store: "Store", ask: "Callable[[Store], Iterable[str]]") -> Iterable[str]:
    facts = store.facts()
    return ask(store) if facts.revision == facts.wanted_revision else ()  # else it would make its tables
