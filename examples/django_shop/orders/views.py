"""What is answered."""

import json

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST, require_safe

from orders.jobs import CountVisit, SendReceipt
from orders.models import Order


@require_POST
@transaction.atomic
def order(request: HttpRequest) -> JsonResponse:
    """Take an order: the job is there once the order is, and is not where the order is taken back."""
    given = json.loads(request.body)
    job = SendReceipt.dispatch(given["number"])
    made = Order.objects.create(number=given["number"], address=given["address"])
    return JsonResponse({"order": made.number, "job": job}, status=202)


@require_safe
def tell(request: HttpRequest, number: int) -> JsonResponse:
    """Tell whether the receipt is sent; the visit is counted once the customer has the answer."""
    CountVisit.dispatch_after_response(request.path)
    return JsonResponse({"receipt": Order.objects.get(number=number).receipt})
