"""The jobs of the shop: they run in the application's context."""

from flask import current_app

from qcore import Job


class SendReceipt(Job):
    """Send the receipt of an order."""

    queue = "emails"

    def __init__(self, order: int, address: str) -> None:
        super().__init__()
        self.order, self.address = order, address

    def handle(self) -> str:
        return f"{current_app.config['SHOP']}: receipt of order {self.order} sent to {self.address}"
