"""What `qctl batch` and `qctl chain` have in common: one verb, and the ids it is for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qctl import live, output
from qctl.commands.bulk import tell
from qctl.commands.choosing import require_writable
from qctl.commands.flow_items import page_of, whole_item_of
from qctl.commands.values import seconds
from qctl.context import Invocation
from qctl.exits import Exit, NotFound, WrongUsage

if TYPE_CHECKING:
    from qcore.flows import FlowKind
    from qcore.monitor import ActionResult

DONE = {"cancel": "cancelled", "retry": "retried", "close": "closed", "prune": "pruned"}
_VERB_OF = {
    "--watch": "show",
    "--finished": "prune",
    "--unfinished": "prune",
    "--cancelled": "prune",
    "--dry-run": "prune",
}
"""Whose option it is."""


def require_sense(word: str, verb: str, verbs: Sequence[str], ids: Sequence[str], given: Sequence[object]) -> None:
    """See that there is such a verb, and that all that was said beside it is for it: nothing is to be overheard.

    Args:
        word: `batch` or `chain`.
        verb: what is to be done.
        verbs: that there are.
        ids: of which.
        given: the values of `--watch`, `--finished`, `--unfinished`, `--cancelled` and `--dry-run`; None: not given.

    Raises:
        WrongUsage: it is not; nothing was done.
    """
    if verb not in verbs:
        raise WrongUsage(f"there is no {word} {verb!r}", hint=f"verbs are: {', '.join(verbs)}")
    if verb == "prune" and ids:
        raise WrongUsage(
            f"qctl {word} prune takes no id, and {ids[0]!r} was given: it forgets all that are old enough",
            hint="say how old: --finished TIME, --unfinished TIME or --cancelled TIME; --dry-run only counts",
        )
    for (option, of), value in zip(_VERB_OF.items(), given, strict=True):
        if value is not None and of != verb:
            raise WrongUsage(f"{option} is not for qctl {word} {verb}", hint=f"it goes with qctl {word} {of}")


def act(call: Invocation, word: str, verb: str, ids: Sequence[str]) -> Exit:
    """Cancel, retry or close those of the ids."""
    if not ids:
        raise WrongUsage(f"qctl {word} {verb} needs an id", hint=f"qctl {word} {verb} ID; see: qctl {_LISTS[word]}")
    from qcore.monitor.flows import UNKNOWN

    require_writable(call)
    result: ActionResult = getattr(call.flows, verb)(ids)
    if result.failed and not result.changed:
        first, reason = result.failed[0]
        is_there = reason != UNKNOWN
        hint = (
            f"qctl {word} show {first} tells how far it is" if is_there else f"qctl {_LISTS[word]} lists what there is"
        )
        raise NotFound(f"{word} {first}: {reason}", hint=hint)
    return tell(call, f"qctl.{word}.{verb}/1", DONE[verb], result, word)


def show(call: Invocation, word: str, ids: Sequence[str], watch: str | None) -> Exit:
    """Show one, once or until it has ended."""
    if len(ids) != 1:
        raise WrongUsage(f"qctl {word} show takes one id", hint=f"qctl {_LISTS[word]} lists what there is")
    every_s = seconds("--watch", watch)

    def read() -> tuple[output.Report, bool]:
        flow = call.flows.find(ids[0])
        item = whole_item_of(flow)
        text = page_of(flow, ascii_only=output.wants_ascii(call))
        report = output.Report(schema=f"qctl.{word}/1", data=item, text=text)
        return report, flow.finished_at is not None

    if every_s is None:
        output.show(call, read()[0])
    else:
        live.watch(call, every_s, read)
    return Exit.OK


def prune(
    call: Invocation,
    word: str,
    kinds: "Sequence[FlowKind]",
    finished: str | None,
    unfinished: str | None,
    cancelled: str | None,
    *,
    dry_run: bool,
) -> Exit:
    """Forget old ones."""
    require_writable(call)
    result = call.flows.prune(
        kinds,
        finished_s=seconds("--finished", finished or (None if unfinished or cancelled else "24h")),
        unfinished_s=seconds("--unfinished", unfinished),
        cancelled_s=seconds("--cancelled", cancelled),
        dry_run=dry_run,
    )
    return tell(call, f"qctl.{word}.prune/1", DONE["prune"], result, word)


_LISTS = {"batch": "batches", "chain": "chains"}
