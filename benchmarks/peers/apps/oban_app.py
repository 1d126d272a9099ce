from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hit import hit as _hit
from oban import Oban, worker
from settings import PG_URL

oban = pool = None


@worker(queue="default")
class Hit:
    async def process(self, job: Any) -> None:
        _hit(**job.args)


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    global oban, pool  # noqa: PLW0603  the driver enters one session a process
    pool = await Oban.create_pool(dsn=PG_URL)
    oban = Oban(pool=pool, leadership=False)
    yield
    await pool.close()


async def setup() -> None:
    from oban.schema import install

    await install(pool)


def _job(sent: str, user: str, template: str) -> Any:
    return Hit.new({"sent": sent, "user": user, "template": template})


async def send(*job: str) -> None:
    await oban.enqueue(_job(*job))


async def send_bulk(jobs: list[tuple[str, str, str]]) -> None:
    await oban.enqueue_many(_job(*job) for job in jobs)
