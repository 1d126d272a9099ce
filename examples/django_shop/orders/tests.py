"""Tests of orders: `python manage.py test`."""

from django.test import TestCase

from orders.jobs import CountVisit, SendReceipt
from orders.models import Order
from qcore.testing import QueueFake


class OrderTest(TestCase):
    """With a fake no job waits for a commit, which a `TestCase` never makes."""

    def test_an_order_gets_a_receipt(self) -> None:
        with QueueFake() as fake:
            answer = self.client.post("/orders", {"number": 1, "address": "ann@example.com"}, "application/json")
            assert answer.status_code == 202
            fake.assert_pushed_on("emails", SendReceipt, where=lambda job: job.number == 1)
            fake.run()
        assert Order.objects.get(number=1).receipt == "sent to ann@example.com"

    def test_a_look_at_the_address_of_orders_dispatches_nothing(self) -> None:
        with QueueFake() as fake:
            answer = self.client.get("/orders")
            assert (answer.status_code, answer["Allow"]) == (405, "POST")
            fake.assert_nothing_pushed()

    def test_a_look_at_an_order_is_counted(self) -> None:
        Order.objects.create(number=1, address="ann@example.com")
        with QueueFake() as fake:
            self.client.get("/orders/1")
            fake.assert_pushed(CountVisit, 1)
