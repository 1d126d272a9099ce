"""How checks look: as lines, as items, and as a plugin of Nagios says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qcore.monitor.health import Verdict, worst
from qctl import format as fmt
from qctl import output
from qctl.exits import Exit
from qctl.output import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.monitor.health import Check
    from qctl.context import Invocation

NAGIOS_UNKNOWN = 3
_NAGIOS = {Verdict.OK: (0, "OK"), Verdict.DEGRADED: (1, "WARNING"), Verdict.CRITICAL: (2, "CRITICAL")}
_CODES = {Verdict.OK: Exit.OK, Verdict.DEGRADED: Exit.DEGRADED, Verdict.CRITICAL: Exit.CRITICAL}
_MARKS = {Verdict.OK: ("●", "*"), Verdict.DEGRADED: ("▲", "!"), Verdict.CRITICAL: ("✖", "X")}
_INDENT = 24
_COLUMNS = (
    Column("CHECK", "name"),
    Column("VERDICT", "verdict"),
    Column("FOUND", "found"),
    Column("REMEDY", "remedy"),
    Column("CONNECTION", "connection"),
    Column("FIXED", "fixed"),
)


def is_unreachable(check: Check) -> bool:
    """Whether it says that the store did not answer, and with it nothing else."""
    return check.name == "store" and check.verdict is Verdict.CRITICAL and not check.figures


def exit_code_of(checks: Sequence[Check]) -> Exit:
    """The exit code of all of them."""
    return Exit.UNREACHABLE if any(map(is_unreachable, checks)) else _CODES[worst(checks)]


def item_of(check: Check) -> dict[str, Any]:
    """A check as an item."""
    return {
        "name": check.name,
        "connection": check.connection,
        "verdict": check.verdict.value,
        "found": check.found,
        "remedy": check.remedy,
        "fixed": check.fixed,
        "figures": dict(check.figures),
    }


def report_of(call: Invocation, checks: Sequence[Check]) -> output.Report:
    """Tell of all of them."""
    items = [item_of(check) for check in checks]
    return output.Report(
        schema="qctl.health/1",
        data={"verdict": worst(checks).value, "checks": items},
        items=items,
        item_schema="qctl.health.check/1",
        columns=_COLUMNS,
        name="name",
        text=page_of(checks, ascii_only=output.wants_ascii(call), width=output.width())
        if output.format_of(call) == "table"
        else None,
        backend=call.backend(),
    )


def page_of(checks: Sequence[Check], *, ascii_only: bool, width: int) -> str:
    """A line each, what to do about it below, and the connection where there are several.

    Args:
        checks: in this order.
        ascii_only: draw with ASCII alone.
        width: of the longest line; what is longer goes on below.
    """
    is_one = len({check.connection for check in checks}) <= 1
    lines = []
    for check in checks:
        name = check.name if is_one else f"{check.connection}: {check.name}"
        lines.append(f"{_MARKS[check.verdict][ascii_only]} {check.verdict.value:<8}  {name:<10}  {check.found}")
        if check.fixed:
            lines.append(f"{'':<{_INDENT}}{'+' if ascii_only else '✓'} fixed: {check.fixed}")
        if check.remedy:
            lines.append(f"{'':<{_INDENT}}{'->' if ascii_only else '→'} {check.remedy}")
    return "\n".join(fmt.wrapped(line, _INDENT, width) for line in lines)


def nagios_code(checks: Sequence[Check]) -> int:
    """The exit code of a plugin."""
    return _NAGIOS[worst(checks)][0]


def nagios_line(checks: Sequence[Check]) -> str:
    """State, what is not well, and figures by name."""
    bad = [f"{check.name}: {check.found}" for check in checks if check.verdict is not Verdict.OK]
    is_one = len({check.connection for check in checks}) <= 1
    figures = " ".join(
        f"'{name if is_one else f'{check.connection}.{name}'}'={_figure(name, value)}"
        for check in checks
        for name, value in check.figures.items()
    )
    said = "; ".join(bad).replace("|", "/") or f"{fmt.plural(len(checks), 'check')}, all is well"
    return f"QCTL {_NAGIOS[worst(checks)][1]} - {said}" + (f" | {figures}" if figures else "")


def _figure(name: str, value: float) -> str:
    unit = "s" if name.endswith("_s") else "B" if name.endswith("_bytes") else ""
    return f"{value:.6g}{unit}" if unit == "s" else f"{value:.0f}{unit}"
