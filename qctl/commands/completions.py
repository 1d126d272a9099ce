"""What a shell completes beyond commands and options: names and ids from the store, and choices.

Whatever goes wrong is silent, and nothing is made: half a line is being typed.
"""

import io
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout, suppress
from threading import Thread
from typing import TYPE_CHECKING

import typer

from qctl.context import Invocation

if TYPE_CHECKING:
    from qcore.drivers import Store

_PATIENCE_S = 2.0
"""For how long a store may be asked while somebody types."""
_MOST = 50


def queues(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of queues that the stores know."""
    return _begun(ctx, incomplete, lambda store: (one.name for one in store.counts()))


def workers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of workers."""
    return _begun(ctx, incomplete, lambda store: (one.id for one in store.workers()))


def failed(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the newest failed jobs."""
    return _begun(ctx, incomplete, lambda store: (one.id for one in store.page("failed", limit=_MOST).jobs))


def batches(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the newest batches."""
    from qcore.flows import FlowKind

    return _begun(
        ctx, incomplete, lambda store: (one.flow.id for one in store.flows([FlowKind.BATCH], limit=_MOST).flows)
    )


def chains(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the newest chains and graphs."""
    from qcore.flows import FlowKind

    kinds = [FlowKind.CHAIN, FlowKind.GRAPH]
    return _begun(ctx, incomplete, lambda store: (one.flow.id for one in store.flows(kinds, limit=_MOST).flows))


def one_of(choices: Iterable[str]) -> Callable[[str], list[str]]:
    """Complete one of a few words."""

    def begun(incomplete: str) -> list[str]:
        return [one for one in choices if one.startswith(incomplete)]

    return begun


def _begun(ctx: typer.Context, incomplete: str, ask: "Callable[[Store], Iterable[str]]") -> list[str]:
    if getattr(ctx.find_root().command, "told_before", ""):  # bash would put the whole name behind a colon of its own
        return []
    return [one for one in _asked(Invocation.of(ctx), ask) if one.startswith(incomplete)]


def _asked(call: Invocation, ask: "Callable[[Store], Iterable[str]]") -> list[str]:
    """What the stores answer in time; from another thread, for a server may not answer at all."""
    found: list[str] = []
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), suppress(Exception):  # an app may print
        manager = call.glance()
        only = call.flags.connection
        stores = [manager.look_at(name) for name in ([only] if only else manager.connections_in_use())]

        def look() -> None:
            with suppress(Exception):
                for store in stores:
                    found.extend(_answer(store, ask))

        thread = Thread(target=look, daemon=True)
        thread.start()
        thread.join(_PATIENCE_S)
        if not thread.is_alive():
            manager.close()
    return sorted({*found})


def _answer(store: "Store", ask: "Callable[[Store], Iterable[str]]") -> Iterable[str]:
    facts = store.facts()
    return ask(store) if facts.revision == facts.wanted_revision else ()  # else it would make its tables
