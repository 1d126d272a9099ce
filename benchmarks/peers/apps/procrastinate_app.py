from typing import Any

from hit import hit as _hit
from procrastinate import App, PsycopgConnector
from settings import PG_URL

app = App(connector=PsycopgConnector(conninfo=PG_URL))


@app.task(name="hit")
async def hit(sent: str, user: str, template: str) -> None:
    _hit(sent, user, template)


def session() -> Any:
    return app.open_async()


async def setup() -> None:
    await app.schema_manager.apply_schema_async()


async def send(sent: str, user: str, template: str) -> None:
    await hit.defer_async(sent=sent, user=user, template=template)


async def send_bulk(jobs: list[tuple[str, str, str]]) -> None:
    await hit.batch_defer_async(*[dict(zip(("sent", "user", "template"), job, strict=True)) for job in jobs])
