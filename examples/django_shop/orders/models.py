"""The tables of orders."""

from django.db import models


class Order(models.Model):
    """What a customer ordered."""

    number = models.IntegerField(unique=True)
    address = models.EmailField()
    receipt = models.TextField(default="")

    def __str__(self) -> str:
        return f"order {self.number}"
