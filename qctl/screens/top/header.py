"""The meters above the lists, as lines of styled text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from qctl import format as fmt

if TYPE_CHECKING:
    from qcore.monitor.glance import Glance
    from qctl.screens.trends import Trends

WIDE = 110
_METER = 20
_SPARK = 16
_HOT = 80
_WARM = 50


class Mood(NamedTuple):
    """How it goes on, beside what was seen."""

    every_s: float
    is_frozen: bool = False
    trouble: str = ""
    """Why the store does not answer."""
    is_slow: bool = False
    """It has been asked for longer than it should take."""
    stale_s: float = 0.0
    """How old what is shown is."""
    is_read_only: bool = False
    replayed: bool = False
    profile: str = "default"


def lines(glance: Glance | None, trends: Trends, mood: Mood, width: int, *, ascii_only: bool = False) -> list[Text]:
    """The header: four lines on a wide screen, three on a narrow one."""
    if glance is None:
        return [title_line(None, mood, width, ascii_only=ascii_only), Text(" waiting for the first answer…"), Text("")]
    draw = _Drawing(glance, trends, ascii_only=ascii_only)
    if width < WIDE:
        return [title_line(glance, mood, width, ascii_only=ascii_only), draw.flow(short=True), draw.load(short=True)]
    return [title_line(glance, mood, width, ascii_only=ascii_only), draw.flow(), draw.load(), draw.cores(width)]


def title_line(
    glance: Glance | None, mood: Mood, width: int, *, ascii_only: bool, name: str = "qctl top", more: Text | None = None
) -> Text:
    """What is shown of which store, and how fresh that is; `more` stands in between where it has room."""
    left = Text(f" {name}", style="bold")
    if glance is not None:
        backend = glance.stats.backend
        left.append(f"  {mood.profile}", style="cyan")
        if more is not None:
            left.append("  ").append_text(more)
        left.append(fmt.printable(f"  {backend.driver} {backend.connection} {backend.latency_ms:.1f} ms"), style="dim")
    right = _freshness(glance, mood, ascii_only=ascii_only)
    room = width - left.cell_len - right.cell_len
    if room < 1:
        left.truncate(max(1, width - right.cell_len - 1))
        room = max(1, width - left.cell_len - right.cell_len)
    return Text.assemble(left, " " * room, right)


def _freshness(glance: Glance | None, mood: Mood, *, ascii_only: bool) -> Text:
    """Whether what is shown is of now, and when it was."""
    right = Text()
    if mood.is_read_only:
        right.append(" RO ", style="bold reverse yellow")
        right.append(" ")
    dot = "*" if ascii_only else "●"
    if mood.trouble:
        since = f" for {fmt.duration(mood.stale_s)}" if glance is not None else ""
        right.append(f"{dot} SILENT{since}", style="bold red")
    elif mood.is_frozen:
        right.append(f"{dot} FROZEN {fmt.duration(mood.stale_s)}", style="bold yellow")
    elif mood.is_slow:
        right.append(f"{dot} SLOW {fmt.duration(mood.stale_s)}", style="bold yellow")
    elif mood.every_s:
        right.append(f"{dot} {'REPLAY' if mood.replayed else 'LIVE'} {mood.every_s:g}s", style="bold green")
    if glance is not None:
        right.append(f"  {glance.stats.generated_at.astimezone():%H:%M:%S} ")
    return right


class _Drawing:
    """The numbers of one look."""

    def __init__(self, glance: Glance, trends: Trends, *, ascii_only: bool) -> None:
        self._glance = glance
        self._trends = trends
        self._ascii = ascii_only

    def flow(self, *, short: bool = False) -> Text:
        """How many jobs come and go, and what waits."""
        totals, trend = self._glance.stats.totals, self._trends.all
        waits = [one.oldest_pending_s for one in self._glance.stats.queues if one.oldest_pending_s is not None]
        wait_s = max(waits, default=0.0)
        text = Text(" ")
        self._rate(text, "out", trend.out_per_s, list(trend.out), short=short)
        self._rate(text, "in", trend.in_per_s, list(trend.into), short=short)
        waiting = totals.pending + totals.retrying
        growth = trend.in_per_s - trend.out_per_s
        arrow = (
            ("+" if self._ascii else "▲") if growth > 0.5 else ("-" if self._ascii else "▼") if growth < -0.5 else ""
        )
        text.append(" pending " if short else "  Pending ", style="dim").append(f"{waiting:,}{arrow}", style="bold")
        text.append(" wait " if short else "  Longest wait ", style="dim")
        text.append(fmt.duration(wait_s) if wait_s else "0", style="bold red" if wait_s > 60 else "bold")
        text.append(" failed " if short else "  Failed ", style="dim")
        text.append(f"{totals.failed:,}", style="bold red" if totals.failed else "bold")
        if trend.failed:
            text.append(f" (+{trend.failed:,})", style="red")
        return text

    def load(self, *, short: bool = False) -> Text:
        """What the workers do."""
        workers = self._glance.workers
        places, busy = sum(one.places for one in workers), sum(min(len(one.running), one.places) for one in workers)
        cpu, rss = sum(one.cpu_percent for one in workers), sum(one.rss_bytes for one in workers)
        text = Text(" ")
        text.append("wrk " if short else "Workers ", style="dim")
        self._meter(text, 100 * busy / places if places else 0.0, f"{busy}/{places}", 10 if short else _METER)
        text.append(" procs " if short else "  Processes ", style="dim").append(f"{len(workers)}", style="bold")
        text.append(" cpu " if short else "  CPU ", style="dim").append(f"{cpu:.0f}%", style="bold")
        text.append(" rss " if short else "  RSS ", style="dim").append(fmt.size(rss), style="bold")
        if short:
            text.append(" mem ", style="dim").append(f"{self._memory_percent():.0f}%", style="bold")
            text.append(" load ", style="dim").append(f"{self._glance.host.load:.1f}", style="bold")
        return text

    def cores(self, width: int) -> Text:
        """The host that looks on: as many cores as there is room for, memory and load."""
        host = self._glance.host
        text = Text(" ")
        room = max(1, (width - 60) // 16)
        shown = host.cores_percent[:room]
        for number, percent in enumerate(shown):
            text.append(f"{number} ", style="dim")
            self._meter(text, percent, f"{percent:.0f}%", 8)
            text.append(" ")
        if len(host.cores_percent) > len(shown):
            text.append(f"+{len(host.cores_percent) - len(shown)} ", style="dim")
        text.append(" Mem ", style="dim")
        used = f"{fmt.size(host.memory_used_bytes)}/{fmt.size(host.memory_bytes)}"
        self._meter(text, self._memory_percent(), used, 18)
        text.append("  Load ", style="dim").append(f"{host.load:.2f}", style="bold")
        return text

    def _memory_percent(self) -> float:
        host = self._glance.host
        return 100 * host.memory_used_bytes / host.memory_bytes if host.memory_bytes else 0.0

    def _rate(self, text: Text, word: str, per_s: float, history: list[float], *, short: bool) -> None:
        text.append(f"{word} ", style="dim").append(fmt.rate(per_s) if history else "-", style="bold")
        if not short:
            numbers = [round(one * 100) for one in history[-_SPARK:]]
            text.append(f" {fmt.sparkline(numbers, _SPARK, ascii_only=self._ascii):<{_SPARK}} ", style="green")
        else:
            text.append(" ")

    def _meter(self, text: Text, percent: float, words: str, width: int) -> None:
        """A bar with words in it, as htop draws them."""
        full = min(width, round(width * percent / 100))
        style = "red" if percent > _HOT else "yellow" if percent > _WARM else "green"
        bar = ("|" * full).ljust(width)
        inside = words[:width].rjust(width)
        text.append("[", style="bold")
        for at in range(width):
            char = inside[at] if inside[at] != " " else bar[at]
            text.append(char, style=f"{style} bold" if at < full else "bold" if inside[at] != " " else "dim")
        text.append("]", style="bold")
