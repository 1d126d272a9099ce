"""The filter language: one way to say which jobs are meant, for commands and screens alike."""

from qcore.filters.fields import ALIASES, FIELDS, STATES, Field, exception_of, state_of
from qcore.filters.parsing import one_of, parse, words
from qcore.filters.terms import Filter, Term
from qcore.filters.values import Value

__all__ = [
    "ALIASES",
    "FIELDS",
    "STATES",
    "Field",
    "Filter",
    "Term",
    "Value",
    "exception_of",
    "one_of",
    "parse",
    "state_of",
    "words",
]
