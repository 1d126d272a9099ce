"""Keys kept in order, in chunks, so that adding, dropping and listing stay cheap with a million of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

Key = tuple[int, int, str]
"""Two numbers to order by, and a job's id."""
_CHUNK = 512


def at(us: int, job_id: str) -> Key:
    """The key of a job that is ordered by an instant alone."""
    return (us, 0, job_id)


class Ordered:
    """A sorted set of keys."""

    def __init__(self) -> None:
        self._chunks: list[list[Key]] = []
        self._lasts: list[Key] = []  # the largest key of each chunk, to find a chunk without opening it
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Key]:
        """Smallest first; nothing may be added or dropped meanwhile."""
        for chunk in self._chunks:
            yield from chunk

    def add(self, key: Key) -> None:
        """Put a key that is not there yet."""
        self._size += 1
        if not self._chunks:
            self._chunks, self._lasts = [[key]], [key]
            return
        place = min(bisect_left(self._lasts, key), len(self._chunks) - 1)
        chunk = self._chunks[place]
        insort(chunk, key)
        if len(chunk) > 2 * _CHUNK:
            self._chunks[place : place + 1] = [chunk[:_CHUNK], chunk[_CHUNK:]]
            self._lasts.insert(place, chunk[_CHUNK - 1])
        self._lasts[place if len(chunk) <= 2 * _CHUNK else place + 1] = chunk[-1]

    def drop(self, key: Key) -> None:
        """Take a key out that is there.

        Raises:
            KeyError: it is not there.
        """
        place = bisect_left(self._lasts, key)
        chunk = self._chunks[place] if place < len(self._chunks) else []
        inner = bisect_left(chunk, key)
        if inner == len(chunk) or chunk[inner] != key:
            raise KeyError(key)
        del chunk[inner]
        self._size -= 1
        if chunk:
            self._lasts[place] = chunk[-1]
        else:
            del self._chunks[place], self._lasts[place]

    def first(self) -> Key | None:
        """The smallest key."""
        return self._chunks[0][0] if self._chunks else None

    def smallest(self, limit: int) -> list[Key]:
        """Up to `limit` keys, smallest first."""
        found: list[Key] = []
        for chunk in self._chunks:
            found.extend(chunk[: limit - len(found)])
            if len(found) == limit:
                break
        return found

    def below(self, bound: Key | None, limit: int) -> list[Key]:
        """Up to `limit` keys that are smaller than `bound` (None: any), largest first."""
        place = len(self._chunks) - 1
        if bound is not None:
            place = min(bisect_left(self._lasts, bound), place)
        found: list[Key] = []
        while place >= 0 and len(found) < limit:
            chunk = self._chunks[place]
            end = len(chunk) if bound is None else bisect_left(chunk, bound)
            found.extend(reversed(chunk[max(0, end - limit + len(found)) : end]))
            place -= 1
        return found
