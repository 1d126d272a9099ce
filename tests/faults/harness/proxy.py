"""A TCP proxy before a store, which does to its connections what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable
from typing import Any

_CHUNK = 65536


class Proxy:
    """Forwards to a store until it is told otherwise; for any number of connections.

    Args:
        url: of the store.
    """

    def __init__(self, url: str) -> None:
        address = re.search(r"127\.0\.0\.1:(\d+)", url)
        assert address is not None, f"{url} has no address of a server"
        self._target = int(address[1])
        self._delay_s = 0.0
        self._refuses = False
        self._pairs: set[_Pair] = set()
        self._flows = asyncio.Event()
        self._answers = asyncio.Event()
        self._bytes_left: int | None = None
        self._cut_at = 0
        self._replies = 0
        self._refuses_then = False
        self.cuts = 0
        """Replies that were cut so far."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._run(self._listen())
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.url = url.replace(address[0], f"127.0.0.1:{self.port}")

    # -- what a test does ----------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Forward everything, at once; what a black hole held back goes on its way."""
        self._do(self._heal)

    def delay(self, delay_s: float) -> None:
        """Let each piece of data take so long, each way."""
        self._delay_s = delay_s

    def black_hole(self) -> None:
        """Let packets vanish, both ways: connections stay open, and new ones are accepted and hear nothing."""
        self._do(self._flows.clear)

    def half_open(self) -> None:
        """Let requests through, and replies vanish: the store does what nobody hears of."""
        self._do(self._answers.clear)

    def reset_after(self, number: int) -> None:
        """Let so many more bytes through, both ways together, and reset the connection on which the last one came."""
        self._bytes_left = number

    def refuse(self) -> None:
        """Reset every connection, and each new one at once, until healed."""
        self._refuses = True
        self.reset()

    def reset(self) -> None:
        """Reset every connection that there is."""
        self._do(self._reset_all)

    def cut_reply(self, number: int, *, then_refuse: bool = False) -> None:
        """Let the request through, and reset the connection in place of the `number`-th reply from here on.

        With `then_refuse` the network is down from that moment.
        """

        def arm() -> None:
            self._replies, self._cut_at, self._refuses_then = 0, number, then_refuse

        self._do(arm)

    @property
    def replies(self) -> int:
        """Replies that have passed since `cut_reply`."""
        return self._replies

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._pairs)

    def close(self) -> None:
        """Reset all, and end."""
        self._do(self._server.close)
        self.reset()
        self._run(self._let_go())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # -- on the loop's thread ------------------------------------------------------------------------------------

    async def _listen(self) -> asyncio.Server:
        self._flows.set()
        self._answers.set()
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            far = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, far[1])
        self._pairs.add(pair)
        to_store = asyncio.ensure_future(self._forward(reader, far[1], pair, is_reply=False))
        to_client = asyncio.ensure_future(self._forward(far[0], writer, pair, is_reply=True))
        await asyncio.wait({to_store, to_client}, return_when=asyncio.FIRST_COMPLETED)
        pair.reset()
        await asyncio.gather(to_store, to_client, return_exceptions=True)
        self._pairs.discard(pair)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair, *, is_reply: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._flows.wait()
                if is_reply:
                    await self._answers.wait()
                if is_reply and self._cuts():
                    pair.reset()
                    return
                passing = self._passing(len(data))
                writer.write(data[:passing])
                await writer.drain()
                if passing < len(data):
                    pair.reset()
                    return

    def _passing(self, number: int) -> int:
        """How many of so many bytes go through; fewer than all only for the connection that `reset_after` resets."""
        left = self._bytes_left
        if left is None:
            return number
        self._bytes_left = left - number if left > number else None
        if left <= number:
            self.cuts += 1
        return min(left, number - 1) if left <= number else number

    def _cuts(self) -> bool:
        self._replies += 1
        if self._replies != self._cut_at:
            return False
        self._cut_at = 0
        self.cuts += 1
        self._refuses = self._refuses or self._refuses_then
        return True

    async def _let_go(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _reset_all(self) -> None:
        for pair in list(self._pairs):
            pair.reset()

    def _heal(self) -> None:
        self._delay_s, self._refuses, self._cut_at, self._bytes_left = 0.0, False, 0, None
        self._flows.set()
        self._answers.set()

    def _do(self, act: Callable[[], Any]) -> None:
        async def acting() -> None:
            act()

        self._run(acting())

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class _Pair:
    """The two ends of one connection."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._ends = (near, far)

    def reset(self) -> None:
        for end in self._ends:
            end.transport.abort()
