"""What can be put around jobs: an object with `handle(job, next)`, one or several, around a job, a class or all."""

from qcore.middleware.authorize import AuthorizationMiddleware
from qcore.middleware.observe import LoggingMiddleware, Timing, TimingMiddleware
from qcore.middleware.overlap import WithoutOverlapping
from qcore.middleware.retry import FailOnException, RetryMiddleware
from qcore.middleware.skip import Skip, SkipIfBatchCancelled
from qcore.middleware.stack import Around, Middleware, MiddlewareStack, Next
from qcore.middleware.throttle import ThrottleMiddleware, ThrottlesExceptions

__all__ = [
    "Around",
    "AuthorizationMiddleware",
    "FailOnException",
    "LoggingMiddleware",
    "Middleware",
    "MiddlewareStack",
    "Next",
    "RetryMiddleware",
    "Skip",
    "SkipIfBatchCancelled",
    "ThrottleMiddleware",
    "ThrottlesExceptions",
    "Timing",
    "TimingMiddleware",
    "WithoutOverlapping",
]
