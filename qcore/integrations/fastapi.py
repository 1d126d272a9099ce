"""FastAPI: jobs that wait for the response, and connections that open and close with the application.

app = FastAPI(lifespan=lifespan(url="redis://cache:6379/0"))
app.add_middleware(AfterResponse)
"""

from qcore.integrations.starlette import AfterResponse, lifespan

__all__ = ["AfterResponse", "lifespan"]
