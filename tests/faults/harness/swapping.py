"""A pooler for PostgreSQL that is worse than any real one: no client gets the same session twice in a row.

It speaks as much of the protocol as it takes to see where a transaction ends. As PgBouncer in transaction mode it
refuses options at the start of a session, hands on no notification to a client that waits, and gives each client a
backend's number of its own; unlike PgBouncer it takes the session that has rested longest, not the last one used.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import struct
import threading
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, NamedTuple

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_PROTOCOL = 196608
_ASKS_FOR_REPLY = frozenset(b"QSF")
"""Query, Sync and FunctionCall: each is answered by one ReadyForQuery."""
_READY, _LEAVES = ord("Z"), ord("X")
_NUMBERS = itertools.count(1_000_000)


class SwappingPooler:
    """Stands before a server until it is stopped.

    Args:
        url: of the server.
        sessions: how many it keeps there for each database, all of them in use from the beginning.
    """

    name = "swapping pooler"

    def __init__(self, url: str, sessions: int) -> None:
        address = re.search(r"127\.0\.0\.1:(\d+)", url)
        assert address is not None, f"{url} has no address of a server"
        self._server_port = int(address[1])
        self._most = sessions
        self._pools: dict[tuple[str, str], _Pool] = {}
        self._clients: dict[int, _Client] = {}
        self._databases: Counter[str] = Counter()
        self.swaps = 0
        """Transactions that began on another session than their client's last one."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pooler", daemon=True)
        self._thread.start()
        self._listener = self._run(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = int(self._listener.sockets[0].getsockname()[1])

    def clients(self, database: str) -> int:
        """How many it has of a database."""
        return self._databases[database]

    def stop(self) -> None:
        """Let go of everybody."""
        self._loop.call_soon_threadsafe(self._listener.close)
        self._run(self._let_go())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # -- on the loop's thread ------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = await self._greeting(reader, writer)
            if said is not None:
                await self._serve(said, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client left, or the server did: both ends are closed below
        finally:
            writer.transport.abort()

    async def _greeting(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, str] | None:
        """Read how a session begins; None for one that only asked to cancel another's statement, or is refused."""
        while True:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            body = await reader.readexactly(length - 4)
            (code,) = struct.unpack_from("!I", body)
            if code == _CANCEL:
                await self._cancel(*struct.unpack_from("!II", body, 4))
                return None
            if code not in (_SSL, _GSS):
                break
            writer.write(b"N")
        words = body[4:].rstrip(b"\0").decode().split("\0")
        said = dict(zip(words[::2], words[1::2], strict=False))
        if "options" in said:
            writer.write(_message(b"E", b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"))
            await writer.drain()
            return None
        return said

    async def _serve(self, said: Mapping[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        database, user = said.get("database", said["user"]), said["user"]
        pool = self._pools.setdefault((database, user), _Pool(self._server_port, database, user, self._most))
        client = _Client(self, pool, next(_NUMBERS), writer)
        self._clients[client.number] = client
        self._databases[database] += 1
        try:
            await client.greet()
            await client.serve(reader)
        finally:
            self._databases[database] -= 1
            del self._clients[client.number]
            client.leave()

    async def _cancel(self, number: int, _: int) -> None:
        client = self._clients.get(number)
        if client is not None and client.session is not None:
            _, writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            writer.write(struct.pack("!II", 16, _CANCEL) + client.session.key)
            await writer.drain()
            writer.close()

    async def _let_go(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for pool in self._pools.values():
            pool.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class _Session(NamedTuple):
    """A connection to the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    settings: bytes
    """What the server said of itself at the start."""
    key: bytes
    """Number and secret, as whoever wants to cancel says them."""


class _Pool:
    """The sessions of one database and user."""

    def __init__(self, port: int, database: str, user: str, most: int) -> None:
        self._port, self._most = port, most
        words = ["user", user, "database", database, ""]
        body = struct.pack("!I", _PROTOCOL) + "\0".join(words).encode() + b"\0"
        self._hello = struct.pack("!I", 4 + len(body)) + body
        self._free: deque[_Session] = deque()
        self._room = asyncio.Semaphore(most)
        self._number = 0

    async def take(self) -> _Session:
        """Wait for a session: a new one as long as there may be more, else the one that has rested longest."""
        await self._room.acquire()
        try:
            while self._number >= self._most and self._free:
                session = self._free.popleft()
                if not session.reader.at_eof():
                    return session
                self._end(session)
            self._number += 1
            return await self._open()
        except BaseException:
            self._room.release()
            raise

    def give_back(self, session: _Session, *, is_whole: bool) -> None:
        """Let it rest; one within a transaction is ended, as nobody else may go on with that."""
        if is_whole:
            self._free.append(session)
        else:
            self._end(session)
        self._room.release()

    def close(self) -> None:
        """End those that rest."""
        while self._free:
            self._end(self._free.popleft())

    async def _open(self) -> _Session:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(self._hello)
            settings, key = b"", b""
            while True:
                kind, message = await _read(reader)  # where it refuses it leaves at once, and this raises
                if kind == _READY:
                    return _Session(reader, writer, settings, key)
                settings += message if kind == ord("S") else b""
                key = message[5:] if kind == ord("K") else key
        except BaseException:
            self._number -= 1
            raise

    def _end(self, session: _Session) -> None:
        self._number -= 1
        session.writer.transport.abort()


class _Client:
    """One client, and the session that it has for the time of a transaction."""

    def __init__(self, pooler: SwappingPooler, pool: _Pool, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.session: _Session | None = None
        self._pooler, self._pool, self._writer = pooler, pool, writer
        self._last: _Session | None = None
        self._awaited = 0
        self._answering: asyncio.Task[None] | None = None

    async def greet(self) -> None:
        """Say what the server says at the start of a session, with a number that is no backend's."""
        session = await self._pool.take()
        self._pool.give_back(session, is_whole=True)
        key = _message(b"K", struct.pack("!II", self.number, 0))
        self._writer.write(_message(b"R", bytes(4)) + session.settings + key + _message(b"Z", b"I"))
        await self._writer.drain()

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Hand on what it says, until it leaves."""
        while True:
            kind, message = await _read(reader)
            if kind == _LEAVES:
                return
            if self.session is None:
                self.session = await self._pool.take()
                self._pooler.swaps += self._last is not None and self._last is not self.session
                self._last = self.session
                self._answering = asyncio.ensure_future(self._answer(self.session))
            self._awaited += kind in _ASKS_FOR_REPLY
            self.session.writer.write(message)
            await self.session.writer.drain()

    def leave(self) -> None:
        """Give up a transaction that it has not ended."""
        if self._answering is not None:
            self._answering.cancel()
        session, self.session = self.session, None
        if session is not None:
            self._pool.give_back(session, is_whole=False)

    async def _answer(self, session: _Session) -> None:
        """Hand on what the server says, until the transaction is over."""
        try:
            while self.session is session:
                kind, message = await _read(session.reader)
                self._writer.write(message)
                self._awaited -= kind == _READY
                if kind == _READY and not self._awaited and message.endswith(b"I"):
                    self.session = None
                    self._pool.give_back(session, is_whole=True)
                await self._writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            self._writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one message: its kind, and all of it."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!I", head[1:])
    return head[0], head + await reader.readexactly(length - 4)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", 4 + len(body)) + body
