from typing import Any

from hit import hit as _hit
from settings import REDIS_URL
from streaq import Worker

worker = Worker(redis_url=REDIS_URL, concurrency=100)


@worker.task(ttl=0, silent=True)
async def hit(sent: str, user: str, template: str) -> None:
    _hit(sent, user, template)


def session() -> Any:
    return worker


async def send(sent: str, user: str, template: str) -> None:
    await hit.enqueue(sent, user, template)


async def send_bulk(jobs: list[tuple[str, str, str]]) -> None:
    await worker.enqueue_many([hit.enqueue(*job) for job in jobs])
