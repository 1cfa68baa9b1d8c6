"""One wrong (or strange) value at a time, at every place of a configuration: what users mistype, made by the dozen."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

REMOVED = object()
NOTHING = (None, "null")


class Mutation(NamedTuple):
    """One change: at `path`, of a kind (its name), to a value (`REMOVED`: the field is taken out)."""

    path: tuple[str | int, ...]
    kind: str
    value: Any

    @property
    def place(self) -> str:
        """The path in words."""
        return ".".join(map(str, self.path))


def mutations(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Mutation]:
    """Yield every mutation of a tree of mappings, lists and plain values."""
    for kind, mutated in _of_value(value):
        if path:
            yield Mutation(path, kind, mutated)
    if isinstance(value, Mapping):
        for key in value:
            yield Mutation((*path, key), "removed", REMOVED)
            yield from mutations(value[key], (*path, key))
    elif isinstance(value, list) and not all(isinstance(item, int | float | str) for item in value):
        for position, item in enumerate(value):
            yield from mutations(item, (*path, position))


def _of_value(value: Any) -> Iterator[tuple[str, Any]]:
    yield "null", None
    if isinstance(value, bool):
        yield from [("number", 1), ("text", "perhaps"), ("list", [value])]
    elif isinstance(value, int | float):
        yield from [("text", "many"), ("truth", True), ("nan", float("nan")), ("infinite", float("inf"))]
        yield from [
            ("list", [value]),
            ("negative", -1 - abs(value)),
            ("zero", 0),
            ("mapping", {"value": value}),
            ("one", 1),
            ("thousandfold", 1000 * value),
        ]
        if isinstance(value, int):
            yield from [("fraction", value + 0.5), ("beyond", 2**64)]
    elif isinstance(value, str):
        yield from [("misspelt", f"{value}x"), ("number", 7), ("empty", ""), ("list", [value]), ("truth", False)]
    elif isinstance(value, list):
        yield from [("empty", []), ("number", 7), ("mapping", {"one": 1}), ("truths", [True] * max(1, len(value)))]
        yield from [("nulls", [None] * max(1, len(value)))]
        if value:
            yield from [("twice", [*value, value[0]]), ("shorter", value[:-1]), ("texts", ["x y"] * len(value))]
            if all(isinstance(item, int | float) for item in value):
                yield from [("negatives", [-1 - abs(item) for item in value]), ("backwards", value[::-1])]
                yield from [("zeros", [0] * len(value)), ("nans", [float("nan")] * len(value))]
    elif isinstance(value, Mapping):
        yield from [("number", 7), ("list", list(value)), ("text", "x"), ("unknown", {**value, "unknwon": 1})]


def mutated(tree: Any, mutation: Mutation) -> Any:
    """Return a copy of a tree with a mutation in it."""
    changed = copy.deepcopy(tree)
    within = changed
    *above, last = mutation.path
    for key in above:
        within = within[key]
    if mutation.value is REMOVED:
        del within[last]
    else:
        within[last] = copy.deepcopy(mutation.value)
    return changed
