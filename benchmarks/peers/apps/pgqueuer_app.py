import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from hit import hit as _hit
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from settings import PG_URL

queries = None


@asynccontextmanager
async def main() -> AsyncIterator[Any]:
    connection = await asyncpg.connect(PG_URL)
    pgq = PgQueuer(AsyncpgDriver(connection))

    @pgq.entrypoint("hit")
    async def hit(job: Any) -> None:
        _hit(*json.loads(job.payload))

    yield pgq
    await connection.close()


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    global queries  # noqa: PLW0603  the driver enters one session a process
    connection = await asyncpg.connect(PG_URL)
    queries = Queries(AsyncpgDriver(connection))
    yield
    await connection.close()


async def setup() -> None:
    await queries.install()


async def send(*job: str) -> None:
    await queries.enqueue("hit", json.dumps(job).encode())


async def send_bulk(jobs: list[tuple[str, str, str]]) -> None:
    payloads = [json.dumps(job).encode() for job in jobs]
    await queries.enqueue(["hit"] * len(jobs), payloads, [0] * len(jobs))
