"""Lines of numbers as pictures of characters: two by four dots in each, as Braille has them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Of the left and the right column, from above."""
_BLANK = 0x2800


def chart(
    numbers: Sequence[float], width: int, height: int, label: Callable[[float], str], *, ascii_only: bool = False
) -> list[str]:
    """Draw numbers, oldest first, as a line over a time, with its largest number at the side.

    Args:
        numbers: none below 0.
        width: characters of a line, label and all.
        height: lines.
        label: says a number.
        ascii_only: draw with ASCII alone.
    """
    most = max(numbers, default=0.0)
    labels = [label(most) if most else "", *[""] * (height - 2), "0"]
    wide = max(map(len, labels))
    room = max(1, width - wide - 1)
    bar = "|" if ascii_only else "┤"
    drawn = (_coarse if ascii_only else _fine)(numbers, room, height, most)
    return [f"{text.rjust(wide)}{bar}{line}" for text, line in zip(labels, drawn, strict=True)]


def _fine(numbers: Sequence[float], width: int, height: int, most: float) -> list[str]:
    cells = [[_BLANK] * width for _ in range(height)]
    top = height * 4 - 1
    before: int | None = None
    for x, number in enumerate(resampled(numbers, width * 2)):
        y = round(number / most * top) if most else 0
        for at in range(min(y, y if before is None else before), max(y, before or 0) + 1):
            row = top - at
            cells[row // 4][x // 2] |= _DOTS[x % 2][row % 4]
        before = y
    return ["".join(map(chr, line)) for line in cells]


def _coarse(numbers: Sequence[float], width: int, height: int, most: float) -> list[str]:
    points = [round(one / most * (height - 1)) if most else 0 for one in resampled(numbers, width)]
    return ["".join("*" if point == row else " " for point in points) for row in range(height - 1, -1, -1)]


def resampled(numbers: Sequence[float], count: int) -> list[float]:
    """So many numbers in the place of these: where there are more, the largest of its neighbours for each."""
    if not numbers:
        return [0.0] * count
    share = len(numbers) / count
    return [max(numbers[int(n * share) : max(int(n * share) + 1, int((n + 1) * share))]) for n in range(count)]
