import dramatiq
from dramatiq.brokers.redis import RedisBroker
from hit import hit as _hit
from settings import REDIS_URL

dramatiq.set_broker(RedisBroker(url=REDIS_URL))


@dramatiq.actor
def hit(sent: str, user: str, template: str) -> None:
    _hit(sent, user, template)


def send(sent: str, user: str, template: str) -> None:
    hit.send(sent, user, template)
