"""Where a result came from: digests of the configuration, of a user's files, and of exactly the code that made it.

The workflow imports this module before anything is computed, so it needs the standard library alone.
"""

import ast
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

PACKAGE = "calcium_latents"
SOURCE = Path(__file__).resolve().parent.parent
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
MOST_READ, PARTS_READ = 2**20, 16  # bytes of a user's file, and parts of a longer one
VERSIONED = ("calcium-latents", "numpy", "scipy", "xarray", "torch", "pytorch-lightning")


def config_digest(mapping: Mapping) -> str:
    """Return 16 hexadecimal digits that change with any value of `mapping`, not with the order of keys."""
    text = json.dumps(mapping, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def files_digest(paths: Iterable[str | Path]) -> str:
    """Return "2 files, 4096 bytes, " and 16 hexadecimal digits that change with the content of any of the files.

    A file of up to 1 MiB (less where there are more than 64) is read whole. Of a longer one, which may have many GB, 16
    parts are read, from its start to its end, and the second of its last change counts: a change between the parts goes
    unseen only where length and time stamp are as before. What cannot be read counts as that.
    """
    whole, total, paths = hashlib.sha256(), 0, sorted(set(map(str, paths)))
    most = min(MOST_READ, 64 * MOST_READ // max(len(paths), 1))
    part = most // PARTS_READ
    for path in paths:
        try:
            with open(path, "rb") as file:
                state = os.fstat(file.fileno())
                total += (size := state.st_size)
                whole.update(f"{size} ".encode())
                if size <= most:
                    whole.update(file.read())
                    continue
                whole.update(f"{int(state.st_mtime)} ".encode())
                for number in range(PARTS_READ):
                    file.seek(number * (size - part) // (PARTS_READ - 1))
                    whole.update(file.read(part))
        except OSError as error:
            whole.update(f"{error.strerror} ".encode())
    return f"{len(paths)} files, {total} bytes, {whole.hexdigest()[:16]}"


def code_digest(modules: Iterable[str], source: Path = SOURCE) -> str:
    """Return 16 hexadecimal digits that change when the code behind `modules` changes.

    Covers the modules and everything of this package that they import, directly or not. Comments, docstrings
    and layout do not count. Nothing is imported: files below `source` are parsed.
    Raises ModuleNotFoundError when a module has no file.
    """
    whole = hashlib.sha256()
    for module in sorted(import_closure(modules, source)):
        whole.update(f"{module} {_scan(*_state(_file(module, source)))[0]}\n".encode())
    return whole.hexdigest()[:16]


def import_closure(modules: Iterable[str], source: Path = SOURCE) -> set[str]:
    """Return `modules` and all modules of this package that they import, by name.

    A package whose `__init__` only re-exports is looked through: importing one of its names leads to the
    module that defines it, not to its siblings.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        waiting.extend(_working_parents(module, source))
        path = _file(module, source)
        for target, name in _scan(*_state(path))[1]:
            target = _absolute(target, module, path)
            if target.split(".")[0] == PACKAGE:
                waiting.extend(_resolve(target, name, source))
    return found


def provenance(config: Mapping, modules: Iterable[str], seed: int) -> dict[str, str | int]:
    """Return the attributes of every result file: config_digest, code_digest, seed, versions (JSON)."""
    versions = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "config_digest": config_digest(config),
        "code_digest": code_digest(modules),
        "seed": int(seed),
        "versions": json.dumps(versions),
    }


def _file(module: str, source: Path) -> Path:
    path = source.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    raise ModuleNotFoundError(f"no module {module} below {source}")


def _exists(module: str, source: Path) -> bool:
    try:
        _file(module, source)
    except ModuleNotFoundError:
        return False
    return True


def _working_parents(module: str, source: Path) -> Iterator[str]:
    """Yield the packages around `module` whose `__init__` does more than re-export: they run on import."""
    parts = module.split(".")
    for depth in range(1, len(parts)):
        init = source.joinpath(*parts[:depth]) / "__init__.py"
        if init.is_file() and not _scan(*_state(init))[2]:
            yield ".".join(parts[:depth])


def _state(path: Path) -> tuple[Path, int, int]:
    """Return what tells one version of a file from another, for the cache."""
    status = path.stat()
    return path, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4096)
def _scan(path: Path, _modified: int, _size: int) -> tuple[str, tuple[tuple[str, str | None], ...], bool]:
    """Return (digest of the code, its imports as (module, name), whether the file only re-exports)."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    imports = tuple(_imports(tree))
    re_exports = all(_is_plumbing(statement) for statement in tree.body)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), imports, re_exports


def _imports(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Yield what is imported, anywhere; not what is for readers of types alone, which no run imports."""
    found = [tree]
    for node in found:  # which grows
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            found += node.orelse
            continue
        found += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield "." * node.level + (node.module or ""), alias.name


def _is_plumbing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Assign) and all(
        isinstance(target, ast.Name) and target.id.startswith("__") for target in statement.targets
    )


def _absolute(target: str, module: str, path: Path) -> str:
    """Return the absolute name of a relative import `target` (leading dots) made in `module`."""
    level = len(target) - len(target.lstrip("."))
    if level == 0:
        return target
    parts = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    parts = parts[: len(parts) - (level - 1)]
    return ".".join([*parts, *filter(None, [target.lstrip(".")])])


def _resolve(target: str, name: str | None, source: Path) -> list[str]:
    """Return the modules behind `from target import name` (`import target` when name is None)."""
    if name is None:
        return [target]
    if _exists(f"{target}.{name}", source):
        return [f"{target}.{name}"]
    path = _file(target, source)
    _, imports, re_exports = _scan(*_state(path))
    if path.name == "__init__.py" and re_exports:
        for origin, exported in imports:
            origin = _absolute(origin, target, path)
            if exported == name and origin.split(".")[0] == PACKAGE:
                return _resolve(origin, name, source)
    return [target]
