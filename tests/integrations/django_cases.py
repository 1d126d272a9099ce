"""What Django's app promises; `test_django.py` runs it by `manage.py test`."""

from __future__ import annotations

import asyncio
from typing import Any

from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import AsyncClient, TransactionTestCase
from orders.jobs import CountVisit, SendReceipt
from orders.models import Order

from qcore import PayloadError, QueueManager, ShouldBeUnique, UnknownJobClass, dispatch_many
from qcore.integrations.django.apps import QueueConfig
from qcore.integrations.django.manager import DjangoManager, opened
from qcore.testing import QueueFake


class UniqueReceipt(SendReceipt, ShouldBeUnique):
    """One at a time."""


class Case(TransactionTestCase):
    """Each test has an empty store in memory."""

    def setUp(self) -> None:
        opened({"url": "memory://"}).install()

    def tearDown(self) -> None:
        QueueManager.current().close()

    def sizes(self) -> tuple[int, int]:
        """How many receipts and visits wait."""
        return QueueManager.size("emails"), QueueManager.size("counts")


class AfterCommit(Case):
    def test_the_manager_is_djangos(self) -> None:
        assert type(QueueManager.current()) is DjangoManager

    def test_a_commit_lets_it_go(self) -> None:
        with transaction.atomic():
            job_id = SendReceipt.dispatch(1)
            assert self.sizes() == (0, 0)
        assert self.sizes() == (1, 0)
        assert [one.id for one in QueueManager.current().connection().page("pending").jobs] == [job_id]

    def test_a_rollback_drops_it(self) -> None:
        Order.objects.create(number=1, address="ann@example.com")
        with self.assertRaises(IntegrityError), transaction.atomic():
            SendReceipt.dispatch(1)
            Order.objects.create(number=1, address="bob@example.com")
        assert self.sizes() == (0, 0)

    def test_so_does_that_of_a_savepoint(self) -> None:
        with transaction.atomic():
            SendReceipt.dispatch(1)
            with self.assertRaises(ValueError), transaction.atomic():
                SendReceipt.dispatch(2)
                raise ValueError
        assert self.sizes() == (1, 0)

    def test_without_a_transaction_it_goes_at_once(self) -> None:
        SendReceipt.dispatch(1)
        assert self.sizes() == (1, 0)
        assert UniqueReceipt.dispatch(2)
        assert UniqueReceipt.dispatch(2) is None

    def test_others_do_not_wait(self) -> None:
        with transaction.atomic():
            ids = dispatch_many([SendReceipt(1), CountVisit("/"), SendReceipt(2)])
            assert self.sizes() == (0, 1)
        assert self.sizes() == (2, 1)
        assert len(set(ids)) == 3

    def test_the_transaction_may_be_named(self) -> None:
        with transaction.atomic():
            SendReceipt.dispatch(1, session="default")
            assert self.sizes() == (0, 0)
        assert self.sizes() == (1, 0)

    def test_what_cannot_travel_is_refused_at_dispatch(self) -> None:
        with transaction.atomic(), self.assertRaises(PayloadError):
            SendReceipt.dispatch(object())

    def test_an_event_loop_has_no_transactions(self) -> None:
        async def send() -> None:
            SendReceipt.dispatch(1)

        asyncio.run(send())
        assert self.sizes() == (1, 0)

    def test_a_fake_takes_it_at_once(self) -> None:
        with QueueFake() as fake, transaction.atomic():
            SendReceipt.dispatch(1)
            fake.assert_pushed(SendReceipt, 1)


class AfterResponse(Case):
    def setUp(self) -> None:
        super().setUp()
        Order.objects.create(number=1, address="ann@example.com")

    def test_it_goes_when_the_response_is_closed(self) -> None:
        told: list[Any] = []
        close = self.client.handler.get_response

        def looked_at(request: Any) -> Any:
            response = close(request)
            told.append(self.sizes())
            return response

        self.client.handler.get_response = looked_at
        self.client.get("/orders/1")
        assert told == [(0, 0)]
        assert self.sizes() == (0, 1)

    def test_so_it_does_where_django_is_async(self) -> None:
        async def get() -> Any:
            return await AsyncClient().get("/orders/1")

        assert asyncio.run(get()).json() == {"receipt": ""}
        assert self.sizes() == (0, 1)


class Whole(Case):
    def test_jobs_of_installed_apps_may_run_and_others_may_not(self) -> None:
        classes = QueueManager.current().classes
        classes.check("orders.jobs:SendReceipt")
        classes.check("shop.jobs:Anything")
        with self.assertRaises(UnknownJobClass):
            classes.check("json:JSONDecoder")

    def test_a_fake_that_is_there_stays(self) -> None:
        with QueueFake() as fake:
            QueueConfig(
                "qcore.integrations.django", __import__("qcore.integrations.django").integrations.django
            ).ready()
            assert QueueManager.current() is fake

    def test_a_program_may_call_the_command(self) -> None:
        call_command("qctl", "version", "--json")  # its flags are qctl's
        with self.assertRaises(SystemExit) as end:
            call_command("qctl", "bogus")
        assert end.exception.code == 2
