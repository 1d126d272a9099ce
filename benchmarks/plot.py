"""Draws how the cost of a job grows, as SVG: one panel for each operation, one line for each store."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.targets import FLAT, TIMES

if TYPE_CHECKING:
    from benchmarks.growth import Point

_WIDTH, _HEIGHT, _GAP = 260, 200, 56
_LEFT, _TOP, _BOTTOM = 52, 66, 62
_COLORS = ("#c0392b", "#2471a3", "#1e8449", "#b9770e", "#7d3c98")
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 2")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.t{font-weight:600;font-size:13px}.g{stroke:#ddd}"
    ".b{stroke:#888;stroke-dasharray:3 3}.p{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#444}.p{fill:#161b22}}"
)


def growth(points: Sequence[Point], titles: Mapping[str, str], operations: Sequence[str]) -> str:
    """The picture; costs are in those of 1,000 pending jobs."""
    width = _LEFT + len(operations) * (_WIDTH + _GAP)
    height = _TOP + _HEIGHT + _BOTTOM
    top = max(2.0, math.ceil(max(max(point.ratio.values()) for point in points) * 2) / 2)
    low, high = (math.log10(pick(point.size for point in points)) for pick in (min, max))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        "<title>Cost per job as the queue grows</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="p" width="{width}" height="{height}"/>',
        '<text class="t" x="16" y="22">Cost per job as the queue grows, in that of 1,000 pending jobs</text>',
    ]
    for number, operation in enumerate(operations):
        frame = _Frame(_LEFT + number * (_WIDTH + _GAP), low, max(high, low + 1), top)
        lines += frame.axes(operation)
        for order, store in enumerate(titles):
            own = sorted((point.size, point.ratio[operation]) for point in points if point.store == store)
            lines += frame.line(own, order)
    lines += _legend(titles, height)
    return "\n".join([*lines, "</svg>", ""])


class _Frame:
    """One panel: places values on the page."""

    def __init__(self, left: float, low: float, high: float, top: float) -> None:
        self._left, self._low, self._high, self._top = left, low, high, top

    def _x(self, size: float) -> float:
        return self._left + _WIDTH * (math.log10(size) - self._low) / (self._high - self._low)

    def _y(self, ratio: float) -> float:
        return _TOP + _HEIGHT * (1 - ratio / self._top)

    def axes(self, title: str) -> Iterator[str]:
        yield f'<text class="t" x="{self._left}" y="{_TOP - 14}">{title}</text>'
        step = 0.5 if self._top <= 4 else math.ceil(self._top / 8)  # noqa: PLR2004  at most eight lines
        for number in range(int(self._top / step) + 1):
            y = self._y(number * step)
            yield f'<path class="g" d="M{self._left} {y:.1f}h{_WIDTH}"/>'
            yield f'<text x="{self._left - 8}" y="{y + 4:.1f}" text-anchor="end">{number * step:g}{TIMES}</text>'
        for power in range(math.ceil(self._low), int(self._high) + 1):
            x = self._x(10**power)
            yield (
                f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">10'
                f'<tspan dy="-5" font-size="9">{power}</tspan></text>'
            )
        bound = self._y(FLAT.value)
        yield f'<path class="b" d="M{self._left} {bound:.1f}h{_WIDTH}"/>'
        yield f'<text x="{self._left + _WIDTH + 4}" y="{bound + 4:.1f}" font-size="10">{FLAT.value:g}{TIMES}</text>'

    def line(self, points: Sequence[tuple[int, float]], order: int) -> Iterator[str]:
        color = _COLORS[order % len(_COLORS)]
        path = " ".join(f"{self._x(size):.1f},{self._y(ratio):.1f}" for size, ratio in points)
        yield (
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2" '
            f'stroke-dasharray="{_DASHES[order % len(_DASHES)]}"/>'
        )
        for size, ratio in points:
            yield f'<circle cx="{self._x(size):.1f}" cy="{self._y(ratio):.1f}" r="3" fill="{color}"/>'


def _legend(titles: Mapping[str, str], height: int) -> Iterator[str]:
    x = _LEFT
    for order, title in enumerate(titles.values()):
        color, dash = _COLORS[order % len(_COLORS)], _DASHES[order % len(_DASHES)]
        yield f'<path d="M{x} {height - 18}h26" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"/>'
        yield f'<text x="{x + 32}" y="{height - 14}">{title}</text>'
        x += 56 + 8 * len(title)
