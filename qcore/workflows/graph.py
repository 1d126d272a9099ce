"""Graphs: jobs that wait for whichever others they name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from qcore.errors import ConfigurationError
from qcore.flows import FlowKind
from qcore.jobs.options import name as checked
from qcore.workflows.pending import Pending, allowance_of, part_of
from qcore.workflows.plan import Call, Node, Whole
from qcore.workflows.sending import send


def workflow(name: str = "") -> PendingGraph:
    """Let jobs wait for others by name: `workflow().add("a", A()).add("b", B(), after="a").dispatch()`.

    Args:
        name: what screens call it.

    Returns:
        The graph, to be described; nothing is stored before its `dispatch()`.

    Raises:
        ConfigurationError: `name` is no text of 1 to 190 characters.

    Source: ours; Laravel has chains and batches alone.
    """
    graph = PendingGraph()
    return graph.name(name) if name else graph


class PendingGraph(Pending):
    """A graph that is being described: `workflow()` makes one. Each call returns it, `dispatch` the graph's id."""

    def __init__(self) -> None:
        super().__init__(FlowKind.GRAPH)
        self._nodes: dict[str, tuple[Any, tuple[str, ...]]] = {}

    def add(self, name: str, job: Any, after: str | Iterable[str] = ()) -> Self:
        """Add a step.

        Args:
            name: under which others wait for it, and get what it returned.
            job: a job, or a batch, chain or graph.
            after: the step, or steps, that must have completed before.

        Raises:
            ConfigurationError: there is a step of that name already, what is given is no job, or a name is none.
        """
        checked(name, "add(): the name of a step")
        if name in self._nodes:
            raise ConfigurationError(f'there is a step "{name}" already', hint="give this one another name")
        names = _names_in(after, name)
        self._nodes[name] = (part_of(job, f'step "{name}"'), names)
        return self

    def allow_failures(self, allowed: int | str | Call | None = None) -> Self:
        """Let so many steps fail, as in a batch; what waits for a failed one is cancelled all the same.

        Args:
            allowed: a number of steps, a share of them ("5%"), or a function of exception and job that says whether
                that failure does not count; without it any number may fail.

        Raises:
            ConfigurationError: it is none of these.
        """
        self._spec.allowance = allowance_of(allowed)
        return self

    def whole(self) -> Whole:
        """Return itself as a part of other work.

        Raises:
            ConfigurationError: a step waits for one that is not there, or for itself in the end.
        """
        self._check()
        places = {name: place for place, name in enumerate(self._nodes)}
        nodes = [Node(work, tuple(places[one] for one in after), name) for name, (work, after) in self._nodes.items()]
        return Whole(self._spec, [nodes] if nodes else [])

    def dispatch(self, *, session: Any = None) -> str:
        """Store the graph in one step; returns its id.

        Args:
            session: an SQLAlchemy session on the graph's own database: it is stored in its transaction.

        Raises:
            ConfigurationError: steps wait for each other in a circle, or for one that is not there; a step goes to
                another connection, or a callback cannot travel.
            PayloadTooLargeError: it has more steps, or bytes, than one step can store.
            QueueError: as `Job.dispatch` raises; nothing was stored.
        """
        return send(self.whole(), session, self._take_id())

    def _check(self) -> None:
        for name, (_, after) in self._nodes.items():
            for one in after:
                if one not in self._nodes:
                    known = ", ".join(f'"{other}"' for other in self._nodes)
                    raise ConfigurationError(
                        f'step "{name}" waits for "{one}", and there is no step of that name',
                        hint=f"steps are: {known}",
                    )
        circle = self._circle()
        if circle:
            raise ConfigurationError(
                f"the steps wait for each other in a circle: {' → '.join(circle)}", hint="let one of them wait no more"
            )

    def _circle(self) -> list[str]:
        """Steps that wait for each other, each for the one before it; none where there is no circle."""
        done: set[str] = set()
        for start in self._nodes:
            path: list[str] = []
            left = [(start, iter(self._nodes[start][1]))] if start not in done else []
            path += [start] if left else []
            while left:
                parents = left[-1][1]
                parent = next((one for one in parents if one not in done), None)
                if parent is None:
                    left.pop()
                    done.add(path.pop())
                elif parent in path:
                    return [*path[path.index(parent) :], parent][::-1]
                else:
                    path.append(parent)
                    left.append((parent, iter(self._nodes[parent][1])))
        return []


def _names_in(after: Any, name: str) -> tuple[str, ...]:
    """The steps, by name, that a step waits for."""
    names = [after] if isinstance(after, str) else list(after) if isinstance(after, Iterable) else [after]
    if not all(isinstance(one, str) for one in names):
        raise ConfigurationError(
            f'step "{name}": after={after!r} names no steps', hint='write after="a", or after=["a", "b"]'
        )
    return tuple(dict.fromkeys(names))
