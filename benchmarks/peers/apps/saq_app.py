from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hit import hit as _hit
from saq import Queue
from settings import PG_URL, REDIS_URL, VARIANT

queue = Queue.from_url(PG_URL if VARIANT == "postgres" else REDIS_URL)


async def hit(_ctx: object, *, sent: str, user: str, template: str) -> None:
    _hit(sent, user, template)


settings = {"queue": queue, "functions": [hit], "concurrency": 50}


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    await queue.connect()
    yield
    await queue.disconnect()


async def setup() -> None:
    pass  # connecting creates the tables


async def send(sent: str, user: str, template: str) -> None:
    await queue.enqueue("hit", sent=sent, user=user, template=template, ttl=-1)
