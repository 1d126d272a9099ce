"""`qctl doctor`."""

import platform
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands import health_items, version
from qctl.context import Invocation
from qctl.exits import Exit, Verdict
from qctl.output import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.monitor.health import Check, Observed
    from qcore.records import StoreFacts

EXAMPLES = ("qctl doctor", "qctl doctor --json > report.json")
EXITS = (Exit.USAGE, Exit.CONFIGURATION)
_INDENT = 28
_COLUMNS = (Column("SECTION", "section"), Column("NAME", "name"), Column("VALUE", "value", human=output.machine))


def run(ctx: typer.Context) -> int:
    """Tell all that a report of a bug needs, without secrets.

    Versions, stores and how they are set up, workers, checks of health, and every setting that is not a default, with
    its origin. Passwords and keys are masked; names of hosts, queues and connections are not. Nothing is changed.
    Where something in the configuration is wrong that is told, too, and what could be found out all the same; the exit
    code is then that of the error.
    """
    call = Invocation.of(ctx)
    found = _Found()
    verdict = _look(call, found)
    data = {
        "versions": version.versions(),
        "system": {"platform": platform.platform(), "python": sys.version.replace("\n", " ")},
        "error": verdict and _error_of(verdict),
        "stores": found.stores,
        "health": [health_items.item_of(check) for check in found.checks],
        "settings": found.settings,
    }
    report = output.Report(
        schema="qctl.doctor/1",
        data=data,
        items=_rows(data),
        item_schema="qctl.doctor.item/1",
        columns=_COLUMNS,
        text=_page(call, data, found.checks) if output.format_of(call) == "table" else None,
        backend=found.backend,
    )
    output.show(call, report)
    return verdict.exit_code if verdict else Exit.OK


@dataclass
class _Found:
    """What could be found out, as far as it goes."""

    settings: list[dict[str, Any]] = field(default_factory=list)
    stores: list[dict[str, Any]] = field(default_factory=list)
    checks: "list[Check]" = field(default_factory=list)
    backend: dict[str, Any] | None = None


def _look(call: Invocation, found: _Found) -> Verdict | None:
    """Find out what there is; returns what the first error means that kept something from being found out."""
    from qcore.config import as_table
    from qcore.errors import QueueError

    first: QueueError | None = None
    try:
        found.settings += [
            {"name": name, "value": value, "origin": origin}
            for name, value, origin in as_table(call.settings)
            if origin != "default"
        ]
        found.backend = call.backend()
        connections = call.connections_in_use()
    except QueueError as error:
        return Verdict(error)
    for name in connections:
        try:
            _look_at(call, name, found)
        except QueueError as error:
            first = first or error
    return Verdict(first) if first else None


def _look_at(call: Invocation, connection: str, found: _Found) -> None:
    from qcore.config import mask_url
    from qcore.monitor.health import checks_of
    from qcore.monitor.observing import observe

    seen = observe(call.manager, connection)
    found.stores.append({"url": mask_url(call.settings.connection(connection).url), **_store_of(seen)})
    found.checks += checks_of(seen)


def _error_of(verdict: Verdict) -> dict[str, Any]:
    return {"code": verdict.code, "exit": int(verdict.exit_code), "message": verdict.message, "hint": verdict.hint}


def _store_of(seen: "Observed") -> dict[str, Any]:
    return {
        "connection": seen.connection,
        "facts": None if seen.facts is None else _facts_of(seen.facts),
        "workers": [
            {"id": one.id, "state": one.state, "queues": list(one.queues), "jobs": one.jobs, "places": one.places}
            for one in seen.workers or ()
        ],
        "trouble": seen.trouble or None,
    }


def _facts_of(facts: "StoreFacts") -> dict[str, Any]:
    traits = [*facts.durability, *(one for one in (facts.eviction, facts.library, facts.writing) if one is not None)]
    return {
        "product": facts.product,
        "version": facts.version,
        "latency_ms": round(facts.latency_s * 1000, 3),
        "skew_s": round(facts.skew_s, 6),
        "revision": facts.revision,
        "file_bytes": facts.file_bytes,
        "free_bytes": facts.free_bytes,
        "memory_bytes": facts.memory_bytes,
        "memory_limit_bytes": facts.memory_limit_bytes,
        "traits": {trait.name: trait.value for trait in traits},
    }


def _rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The same, a line each."""
    rows = [(section, name, value) for section in ("versions", "system") for name, value in data[section].items()]
    rows += [("error", name, value) for name, value in (data["error"] or {}).items() if value != ""]
    for store in data["stores"]:
        section = f"store {store['connection']}"
        rows += [(section, "url", store["url"])]
        rows += [(section, name, value) for name, value in (store["facts"] or {}).items() if value is not None]
        rows += [(section, "trouble", store["trouble"])] if store["trouble"] else []
        rows += [(f"workers {store['connection']}", one["id"], one) for one in store["workers"]]
    rows += [
        ("health", f"{one['connection']}.{one['name']}", f"{one['verdict']}: {one['found']}") for one in data["health"]
    ]
    rows += [("settings", one["name"], f"{output.machine(one['value'])} ({one['origin']})") for one in data["settings"]]
    return [{"section": section, "name": name, "value": value} for section, name, value in rows]


def _page(call: Invocation, data: dict[str, Any], checks: "Sequence[Check]") -> str:
    lines: list[str] = []
    before, width = "", output.width()
    for row in _rows(data):
        if row["section"] == "health":
            continue
        if row["section"] != before:
            before = row["section"]
            lines += ["", before.upper()]
        lines.append(fmt.wrapped(f"  {row['name']:<24}  {output.machine(row['value'])}", _INDENT, width))
    if not checks:
        return "\n".join(lines[1:])
    page = health_items.page_of(checks, ascii_only=output.wants_ascii(call), width=width - 2)
    return "\n".join([*lines[1:], "", "HEALTH", *(f"  {line}" for line in page.split("\n"))])
