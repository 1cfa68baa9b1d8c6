"""Public functions that take arrays say what shapes they take."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "calcium_latents"
ARRAY = re.compile(r"\b(np\.ndarray|torch\.Tensor|Tensor)\b")
#: `[neuron, time]`, `[1, time]`, `[..., 2]`, `(trial, time, neuron)`, or in words; a unit in brackets is no shape.
UNIT = r"(?!(?:s|ms|Hz|px|rad|cm/s)\])"
SHAPE = re.compile(
    rf"\[{UNIT}(?:\d+, )*(?:\.\.\.|[A-Za-z_])[^\]\n]*\]|\((?:\w+, )+\w+\)|\bscalar|\b(?:any|same) shape|[Ss]hapes? as"
)


def functions(folder: Path) -> Iterator[tuple[str, ast.FunctionDef, str]]:
    """Yield (place, function, docstrings) of the public functions and methods below `folder`.

    A method may leave shapes to its class.
    """
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        for owner in (tree, *classes):
            for node in owner.body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    said = ast.get_docstring(node) or ""
                    if owner is not tree:
                        said += ast.get_docstring(owner) or ""
                    yield f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}", node, said


def takes_arrays(function: ast.FunctionDef) -> bool:
    """Whether an argument of `function` is annotated as an array."""
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    found = [ast.unparse(one.annotation) for one in arguments if one is not None and one.annotation is not None]
    return any(ARRAY.search(annotation) for annotation in found)


def unsaid(folder: Path) -> list[str]:
    """Return the places of functions that take arrays and state no shape."""
    return [place for place, node, said in functions(folder) if takes_arrays(node) and not SHAPE.search(said)]


def test_shapes_of_arrays_are_stated():
    taking = {place.split("/")[0] for place, node, _ in functions(SOURCE) if takes_arrays(node)}
    assert {"models", "recordings", "simulation", "studies"} <= taking
    assert not unsaid(SOURCE)


def test_what_is_missing_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "SOURCE", tmp_path)
    (tmp_path / "module.py").write_text(
        'def said(x: np.ndarray): "of x [time]"\n'
        'def unsaid(x: "np.ndarray | None"): "of x"\n'
        "def bare(*, x: torch.Tensor): ...\n"
        "def plain(x: int): ...\n"
        "def _private(x: np.ndarray): ...\n"
        'class Public:\n    "y [neuron]"\n    def method(self, y: torch.Tensor): ...\n'
    )
    assert [place.split()[1] for place in unsaid(tmp_path)] == ["unsaid", "bare"]
