from typing import Any

from chancy import Chancy, Queue, job
from hit import hit as _hit
from settings import PG_URL

app = Chancy(PG_URL)


@job(queue="default")
async def hit(*, sent: str, user: str, template: str) -> None:
    _hit(sent, user, template)


def session() -> Any:
    return app


async def setup() -> None:
    await app.migrate()
    await app.declare(
        Queue(
            "default",
            concurrency=50,
            executor="chancy.executors.asyncex.AsyncExecutor",
            polling_interval=1,
            eager_polling=True,
        ),
        upsert=True,
    )


def _job(sent: str, user: str, template: str) -> Any:
    return hit.job.with_kwargs(sent=sent, user=user, template=template)


async def send(*job: str) -> None:
    await app.push(_job(*job))


async def send_bulk(jobs: list[tuple[str, str, str]]) -> None:
    async for _ in app.push_many([_job(*j) for j in jobs]):
        pass
