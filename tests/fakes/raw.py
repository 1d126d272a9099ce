"""Everything a store holds, as bytes: what a thief of it would read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


def raw(url: str) -> bytes:
    """All that stands in the store of a URL, one piece after the other."""
    pieces = _of_redis(url) if url.startswith("redis") else _of_database(url)
    return b"\n".join(_bytes(piece) for piece in pieces)


def _of_database(url: str) -> Iterator[Any]:
    from sqlalchemy import MetaData, create_engine, select

    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            for row in connection.execute(select(table)):
                yield from row
    engine.dispose()
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        yield from (path.read_bytes() for path in file.parent.glob(f"{file.name}*") if path.suffix != ".key")


def _of_redis(url: str) -> Iterator[Any]:
    import redis

    client: Any = redis.Redis.from_url(url)
    reads = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"stream": client.xrange,
    }
    for key in client.scan_iter():
        yield key
        yield reads[client.type(key)](key)
    client.close()


def _bytes(piece: Any) -> bytes:
    if isinstance(piece, (bytes, memoryview)):
        return bytes(piece)
    if isinstance(piece, dict):
        piece = [*piece, *piece.values()]
    if isinstance(piece, (list, tuple, set)):
        return b"\n".join(map(_bytes, piece))
    return str(piece).encode("utf-8", "backslashreplace")
