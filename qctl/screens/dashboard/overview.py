"""What stands above the lists of the overview and the metrics: Horizon's tiles, and charts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from qctl import format as fmt
from qctl.screens.dashboard.chart import chart, resampled

if TYPE_CHECKING:
    from qcore.monitor.measured import MeasuredSnapshot
    from qcore.monitor.snapshots import WorkerSnapshot
    from qctl.screens.dashboard.sight import Sight

WIDE = 110
"""Columns from which on charts have room."""
_TILES = 34
_HEIGHT = 8
_SMALL_SPARK = 40
_LABEL = 12


class Tile(NamedTuple):
    """One number, and what it is."""

    label: str
    value: str
    style: str = "bold"


class _Line(NamedTuple):
    """Numbers to be drawn."""

    title: str
    numbers: Sequence[float]
    say: Callable[[float], str]
    style: str


def status_of(workers: Sequence[WorkerSnapshot]) -> tuple[str, str]:
    """Whether anybody works, as Horizon says it, and its style."""
    if not workers:
        return "Inactive", "bold red"
    paused = sum(one.state == "paused" for one in workers)
    if paused == len(workers):
        return "Paused", "bold yellow"
    return (f"Active ({paused} paused)" if paused else "Active"), "bold green"


def staff(sight: Sight, width: int) -> Text:
    """Who works, in a few words, for the title line."""
    status, style = status_of(sight.workers)
    supervisors = len({one.supervisor for one in sight.workers})
    processes = fmt.plural(len(sight.workers), "process")
    words = f"{fmt.plural(supervisors, 'supervisor')}, {processes}"
    if width < WIDE:
        words = f"{supervisors} sup, {len(sight.workers)} proc"
    return Text.assemble((f"[{status.partition(' ')[0]}]", style), ("  " + words, "dim"))


def tiles(sight: Sight) -> list[Tile]:
    """The eight numbers of Horizon's dashboard."""
    status, style = status_of(sight.workers)
    failed = sight.failed_in_week or 0
    queues = sight.measured.queues if sight.measured else ()
    hour, lately = sight.measured and sight.measured.totals, sight.lately and sight.lately.totals
    longest = max(
        (one for one in queues if one.runtime), key=lambda one: one.runtime.avg_s if one.runtime else 0, default=None
    )
    busiest = max((one for one in queues if _ended(one)), key=_ended, default=None)
    waiting = max(
        (one for one in sight.stats.queues if one.oldest_pending_s is not None),
        key=lambda one: one.oldest_pending_s or 0.0,
        default=None,
    )
    wait = "-" if waiting is None else f"{fmt.duration(waiting.oldest_pending_s or 0.0)} {waiting.name}"
    runtime = f"{fmt.duration(longest.runtime.avg_s)} {longest.name}" if longest and longest.runtime else "-"
    return [
        Tile("Jobs/min", f"{lately.throughput_per_min:,.1f}" if lately else "-"),
        Tile("Past hour", f"{_ended(hour):,}" if hour else "-"),
        Tile("Failed 7 d", f"{failed:,}", "bold red" if failed else "bold green"),
        Tile("Status", status, style),
        Tile("Processes", f"{len(sight.workers):,}"),
        Tile("Max wait", wait),
        Tile("Max runtime", runtime),
        Tile("Max thruput", f"{busiest.throughput_per_min:,.1f}/min {busiest.name}" if busiest else "-"),
    ]


def overview_head(sight: Sight | None, width: int, *, ascii_only: bool) -> Text:
    """Tiles, and how many jobs ended and how long they ran in the past hour."""
    if sight is None:
        return Text("")
    shown = tiles(sight)
    lines = _lines(sight.measured.totals, sight.measured.since_s)[:2] if sight.measured else []
    if width < WIDE:
        half = (len(shown) + 1) // 2
        pairs = zip(shown[:half], shown[half:], strict=True)
        rows = [Text.assemble(_tile(left, width // 2), _tile(right, width - width // 2)) for left, right in pairs]
        return Text("\n").join([*rows, *(_spark(one, width, ascii_only=ascii_only) for one in lines)])
    block = [_tile(one, _TILES) for one in shown]
    return _beside(block, lines, width, ascii_only=ascii_only)


def metrics_head(one: MeasuredSnapshot | None, since_s: float, width: int, *, ascii_only: bool) -> Text:
    """Three charts of what is under the cursor: how many, how long, how late."""
    if one is None:
        return Text("")
    lines = _lines(one, since_s)
    if width < WIDE:
        return Text("\n").join(_spark(line, width, ascii_only=ascii_only) for line in lines)
    return _beside([Text("")] * _HEIGHT, lines, width, ascii_only=ascii_only, left=0)


def _lines(one: MeasuredSnapshot, since_s: float) -> list[_Line]:
    span = fmt.duration(since_s).replace(" 00 m", "").replace(" 00 h", "")
    step_min = max(1.0, since_s / 60 / max(1, len(one.trend)))
    return [
        _Line(f"Jobs a minute, {span}", [n / step_min for n in one.trend], lambda n: f"{n:,.0f}", "green"),
        _Line("Runtime, average", one.runtime_trend, fmt.duration, "cyan"),
        _Line("Wait, average", one.wait_trend, fmt.duration, "yellow"),
    ]


def _beside(block: Sequence[Text], lines: Sequence[_Line], width: int, *, ascii_only: bool, left: int = _TILES) -> Text:
    """Charts side by side, right of a block."""
    each = (width - left) // max(1, len(lines)) - 1
    drawn = [_chart(line, each, ascii_only=ascii_only) for line in lines]
    rows = zip(block, *drawn, strict=True)
    return Text("\n").join(Text(" ").join(row) if left else Text(" ").join(row[1:]) for row in rows)


def _chart(line: _Line, width: int, *, ascii_only: bool) -> list[Text]:
    picture = chart(line.numbers, width, _HEIGHT - 1, line.say, ascii_only=ascii_only)
    return [
        Text(line.title[:width].ljust(width), style="bold"),
        *(Text(row.ljust(width), style=line.style) for row in picture),
    ]


def _spark(line: _Line, width: int, *, ascii_only: bool) -> Text:
    room = min(_SMALL_SPARK, width - 36)
    numbers = [round(one * 1000) for one in resampled(line.numbers, room)]
    most = max(line.numbers, default=0.0)
    picture = fmt.sparkline(numbers, room, ascii_only=ascii_only)
    label = Text(f" {line.title[:22]:<22}", style="dim")
    return Text.assemble(label, (f"{picture:<{room}}", line.style), (f" max {line.say(most)}" if most else "", "dim"))


def _tile(tile: Tile, width: int) -> Text:
    text = Text.assemble((f" {tile.label:<{_LABEL}}", "dim"), (fmt.printable(tile.value), tile.style))
    text.truncate(width, pad=True)
    return text


def _ended(one: MeasuredSnapshot) -> int:
    return one.processed + one.failed
