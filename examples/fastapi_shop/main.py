"""The web application: `uvicorn fastapi_shop.main:app`, or any ASGI server."""

from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from fastapi_shop.jobs import SendReceipt
from qcore import JobNotFound, JobRecord
from qcore.integrations.fastapi import AfterResponse, lifespan

app = FastAPI(lifespan=lifespan(app="fastapi_shop.jobs"))
app.add_middleware(AfterResponse)


class Order(BaseModel):
    """What a customer sends."""

    number: int
    address: str


@app.post("/orders", status_code=202)
async def order(order: Order) -> dict[str, str]:
    """Take an order; the job goes to the store once the customer has the answer."""
    return {"job": SendReceipt.dispatch_after_response(order.number, order.address)}


@app.get("/jobs/{job_id}")
def job(job_id: str) -> dict[str, Any]:
    """Tell how far a job is."""
    try:
        record = JobRecord.find(job_id)
    except JobNotFound as error:
        raise HTTPException(404, "no such job") from error
    return {"state": record.state, "result": record.result}
