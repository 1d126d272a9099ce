"""The jobs of orders, which Django's app for qcore finds."""

from orders.models import Order
from qcore import Job


class SendReceipt(Job):
    """Send the receipt of an order, once the order has been committed."""

    queue = "emails"
    after_commit = True

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def handle(self) -> None:
        order = Order.objects.get(number=self.number)
        order.receipt = f"sent to {order.address}"
        order.save()


class CountVisit(Job):
    """Count a visit, which no customer needs to wait for."""

    queue = "counts"

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def handle(self) -> str:
        return f"{self.path} was visited"
