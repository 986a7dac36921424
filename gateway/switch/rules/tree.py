"""Templates by their segments, so that a path finds its own in time that its length decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from gateway.switch.rules.templates import Segment, Template

T = TypeVar("T")

# In the place of a method: every method that nothing else is there for.
ALL: Final = "*"


class PathTree(Generic[T]):
    """What the segments up to here lead on to."""

    __slots__ = ("any", "literals", "rest", "typed", "values")

    def __init__(self) -> None:
        self.literals: dict[str, PathTree[T]] = {}
        # The narrower before the wider.
        self.typed: dict[Segment, PathTree[T]] = {}
        self.any: PathTree[T] | None = None
        self.rest: dict[str, PathTree[T]] = {}
        self.values: dict[str, T] = {}

    def at(self, template: Template) -> dict[str, T]:
        """What a template's end leads to, by method; made where there is nothing yet."""
        node = self
        for segment in template.segments:
            match segment.kind:
                case "literal":
                    node = node.literals.setdefault(segment.text, PathTree())
                case "typed":
                    node = node.typed.get(segment) or node._add_typed(segment)  # noqa: SLF001
                case "any":
                    if node.any is None:
                        node.any = PathTree()
                    node = node.any
                case "rest":
                    node = node.rest.setdefault(segment.text, PathTree())
        return node.values

    def find(self, methods: Sequence[str], segments: Sequence[str], at: int) -> T | None:
        """What the narrowest template for the rest of a path leads to; None for nothing.

        Args:
            methods: For which something may be there, in capitals; the first that has something is
                preferred, but the path before the method.
            segments: Of the path.
            at: Where the rest begins among them.
        """
        if at == len(segments):
            return self._own(methods)
        text = segments[at]
        at += 1
        node = self.literals.get(text)
        if node is not None and (found := node.find(methods, segments, at)) is not None:
            return found
        for typed, node in self.typed.items():
            if typed.matches(text) and (found := node.find(methods, segments, at)) is not None:
                return found
        node = self.any
        if node is not None and text and (found := node.find(methods, segments, at)) is not None:
            return found
        for filled in ("+", ""):
            node = self.rest.get(filled)
            if node is not None and (text or not filled):
                found = node._own(methods)  # noqa: SLF001
                if found is not None:
                    return found
        return None

    def meeting(self, segments: Sequence[Segment]) -> Iterator[T]:
        """What the templates lead to that match some path in common with these segments."""
        if not segments:
            yield from self.values.values()
            return
        first, others = segments[0], segments[1:]
        for filled, node in self.rest.items():
            if first.meets(Segment("rest", filled)):
                yield from node.values.values()
        for node in self._next(first):
            if first.kind == "rest":
                yield from node._all()  # noqa: SLF001
            else:
                yield from node.meeting(others)

    def _add_typed(self, segment: Segment) -> PathTree[T]:
        """Make room for a pattern, before the first that is wider."""
        places = list(self.typed.items())
        wider = (index for index, (other, _) in enumerate(places) if segment.within(other))
        added = PathTree[T]()
        places.insert(next(wider, len(places)), (segment, added))
        self.typed = dict(places)
        return added

    def _own(self, methods: Sequence[str]) -> T | None:
        for method in methods:
            value = self.values.get(method)
            if value is not None:
                return value
        return None

    def _next(self, segment: Segment) -> Iterable[PathTree[T]]:
        """Where a text may lead that the segment matches."""
        if segment.kind == "literal":
            if segment.text in self.literals:
                yield self.literals[segment.text]
        else:
            yield from (node for text, node in self.literals.items() if segment.matches(text))
        for typed, node in self.typed.items():
            if segment.meets(typed):
                yield node
        if self.any is not None and segment.meets(Segment("any")):
            yield self.any

    def _all(self) -> Iterator[T]:
        """Everything that is here, and further on."""
        yield from self.values.values()
        nodes = [*self.literals.values(), *self.typed.values(), *self.rest.values()]
        for node in nodes if self.any is None else [*nodes, self.any]:
            yield from node._all()  # noqa: SLF001
