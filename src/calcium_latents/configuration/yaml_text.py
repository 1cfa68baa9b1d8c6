"""YAML without losses: names are the text that stands in the file, each once; only plain numbers are numbers."""

import re
from typing import Any

import yaml

INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
DECIMAL = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
TAG = "tag:yaml.org,2002:"
#: kinds of plain text that PyYAML reads by the rules of YAML 1.1: 0412 as octal, 12:30 to the base of 60, dates
OWN = {f"{TAG}{kind}" for kind in ("int", "float", "timestamp")}


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with names as text, each once in its mapping, and numbers as YAML 1.2 writes them.

    `0412`, `12:30`, `1_000` and `2024-05-01` stay text, and `1e3` is a number.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - a class attribute of PyYAML's
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in OWN]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def resolve(self, kind: type, value: Any, implicit: Any) -> str:
        """Return the tag of a node, as PyYAML's resolver does."""
        if kind is yaml.ScalarNode and implicit[0]:
            if INTEGER.fullmatch(value):
                return f"{TAG}int"
            if DECIMAL.fullmatch(value) and not LEADING_ZERO.match(value):
                return f"{TAG}float"
        return super().resolve(kind, value, implicit)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        """Return a mapping. Raises ConstructorError with both lines where a name comes twice, or is no text."""
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, f"line {line}: expected a name, found {key.id}")
            if key.tag == f"{TAG}merge":  # what it stands for may be replaced by fields of its own
                continue
            key.tag = f"{TAG}str"
            if key.value in first:
                raise yaml.constructor.ConstructorError(
                    None, None, f"line {line}: '{key.value}' comes again, first in line {first[key.value]}"
                )
            first[key.value] = line
        return super().construct_mapping(node, deep)


def parse(text: str) -> Any:
    """Return what a YAML document says. Raises yaml.YAMLError where it is malformed, or a name comes twice."""
    return yaml.load(text, Loader)  # noqa: S506 - a safe loader
