from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arq import create_pool
from arq.connections import RedisSettings
from hit import hit as _hit
from settings import REDIS_URL, VARIANT

LOG = {"version": 1, "disable_existing_loggers": False}
pool = None


async def hit(_ctx: object, sent: str, user: str, template: str) -> None:
    _hit(sent, user, template)


class WorkerSettings:
    functions = (hit,)
    redis_settings = RedisSettings.from_dsn(REDIS_URL)
    keep_result = 0
    log_results = False
    if VARIANT != "default":
        max_jobs = 100
        poll_delay = 0.01


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    global pool  # noqa: PLW0603  the driver enters one session a process
    pool = await create_pool(WorkerSettings.redis_settings)
    yield
    await pool.aclose()


async def send(sent: str, user: str, template: str) -> None:
    await pool.enqueue_job("hit", sent, user, template)
