from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hit import hit as _hit
from settings import REDIS_URL, VARIANT
from taskiq_redis import ListQueueBroker, RedisStreamBroker

broker = (ListQueueBroker if VARIANT == "list" else RedisStreamBroker)(url=REDIS_URL)


@broker.task
async def hit(sent: str, user: str, template: str) -> None:
    _hit(sent, user, template)


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


async def send(sent: str, user: str, template: str) -> None:
    await hit.kiq(sent, user, template)
