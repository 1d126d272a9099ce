from hit import hit
from redis import Redis
from rq import Queue
from settings import REDIS_URL

queue = Queue("bench", connection=Redis.from_url(REDIS_URL))


def send(sent: str, user: str, template: str) -> None:
    queue.enqueue(hit, sent, user, template, result_ttl=0)


def send_bulk(jobs: list[tuple[str, str, str]]) -> None:
    queue.enqueue_many([Queue.prepare_data(hit, args=job, result_ttl=0) for job in jobs])
