"""What `qctl release` and `qctl move` share: choosing by ids or by a filter, asking, and telling what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from qctl import format as fmt
from qctl.commands.bulk import lines_of, preview, require_some_state, tell_selected, that_match
from qctl.commands.choosing import confirm, require_ids, require_writable
from qctl.commands.ranges import ids_of
from qctl.commands.selecting import filter_of
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from qcore.filters import Filter
    from qcore.monitor import ActionResult
    from qctl.context import Invocation


class Deed(NamedTuple):
    """What is to be done to jobs, and how that is told."""

    schema: str
    verb: str
    done: str
    """The verb in the past tense."""
    views: Sequence[str]
    """States in which it can be done."""
    to_ids: Callable[[Sequence[str]], ActionResult]
    to_all: Callable[[Filter, int | None], ActionResult]
    """To all that match, or the first so many."""


def act(
    call: Invocation, deed: Deed, ids: Sequence[str] | None, where: str | None, limit: int | None, *, dry_run: bool
) -> Exit:
    """Do it to the jobs that are named, or once that is confirmed to all that match."""
    require_writable(call)
    if where is None or ids:
        require_ids(ids, is_selected=where is not None or limit is not None)
        if dry_run:
            raise WrongUsage("--dry-run counts what matches: it goes with --where", hint="qctl show ID shows one job")
        return tell_selected(call, deed.schema, deed.done, deed.to_ids(ids_of(call, ids or (), deed.views)))
    chosen = filter_of(where)
    require_some_state(chosen, deed.views)
    found = preview(call, chosen, deed.views, limit, is_shown=dry_run)
    if dry_run:
        return tell_selected(call, deed.schema, deed.done, found)
    confirm(call, f"{deed.verb} {fmt.plural(found.matched, 'job')} {that_match(chosen)}", lines_of(found.sample))
    return tell_selected(call, deed.schema, deed.done, deed.to_all(chosen, limit))
