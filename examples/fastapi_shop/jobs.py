"""The jobs of the shop."""

from qcore import Job


class SendReceipt(Job):
    """Send the receipt of an order."""

    queue = "emails"

    def __init__(self, order: int, address: str) -> None:
        super().__init__()
        self.order, self.address = order, address

    def handle(self) -> str:
        return f"receipt of order {self.order} sent to {self.address}"
