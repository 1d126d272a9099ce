from hit import hit as _hit
from huey import PostgresHuey, RedisHuey, SqliteHuey
from settings import PG_URL, REDIS_URL, SQLITE_PATH, VARIANT

if VARIANT == "sqlite":
    huey = SqliteHuey("bench", results=False, filename=SQLITE_PATH)
elif VARIANT == "postgres":
    huey = PostgresHuey("bench", results=False, dsn=PG_URL)
else:
    huey = RedisHuey("bench", results=False, url=REDIS_URL)


@huey.task()
def hit(sent: str, user: str, template: str) -> None:
    _hit(sent, user, template)


def send(sent: str, user: str, template: str) -> None:
    hit(sent, user, template)
