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

from calcium_latents.kept import Kept, digest_of

PACKAGE = "calcium_latents"
SOURCE = Path(__file__).resolve().parent.parent
HOLD_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)
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
    tree, whole = _tree(source), hashlib.sha256()
    for module in sorted(tree.closure(modules)):
        whole.update(f"{module} {tree.scan(module)[0]}\n".encode())
    return whole.hexdigest()[:16]


def import_closure(modules: Iterable[str], source: Path = SOURCE) -> set[str]:
    """Return `modules` and all modules of this package that they import, by name.

    A package whose `__init__` only re-exports is looked through: importing one of its names leads to the
    module that defines it, not to its siblings.
    """
    return _tree(source).closure(modules)


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


Files = tuple[tuple[str, str, bool, int, int], ...]  # module, path, whether a package, time stamp (ns), bytes
Scan = tuple[str, list[tuple[str, str | None]], bool]  # digest of the code, imports (module, name), only re-exports?


def _tree(source: Path) -> "_Tree":
    """Return the package's modules as they stand on disk now."""
    return _remembered(tuple(_files(os.fspath(source / PACKAGE), PACKAGE)))


@lru_cache(maxsize=2)
def _remembered(files: Files) -> "_Tree":
    return _Tree(files)


def _files(folder: str, package: str) -> Iterator[tuple[str, str, bool, int, int]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                state, is_package = entry.stat(), entry.name == "__init__.py"
                module = package if is_package else f"{package}.{entry.name[:-3]}"
                yield module, entry.path, is_package, state.st_mtime_ns, state.st_size
            elif entry.name.isidentifier() and entry.is_dir():
                yield from _files(entry.path, f"{package}.{entry.name}")


class _Tree:
    """The modules below a folder, and what each leads to."""

    def __init__(self, files: Files):
        self.files = {module: (path, is_package, stamp, size) for module, path, is_package, stamp, size in files}
        self._targets: dict[str, list[str]] = {}

    def closure(self, modules: Iterable[str]) -> set[str]:
        found: set[str] = set()
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            if module not in found:
                found.add(module)
                if module not in self._targets:
                    self._targets[module] = [*self._working_parents(module), *self._imported(module)]
                waiting += self._targets[module]
        return found

    def scan(self, module: str) -> Scan:
        if module not in self.files:
            raise ModuleNotFoundError(f"no module {module}")
        path, _, stamp, size = self.files[module]
        return _scan(path, stamp, size)

    def _imported(self, module: str) -> Iterator[str]:
        for target, name in self.scan(module)[1]:
            target = self._absolute(target, module)
            if target.split(".")[0] == PACKAGE:
                yield from self._resolve(target, name)

    def _working_parents(self, module: str) -> Iterator[str]:
        """Yield the packages around `module` whose `__init__` does more than re-export: they run on import."""
        parts = module.split(".")
        for depth in range(1, len(parts)):
            package = ".".join(parts[:depth])
            if package in self.files and not self.scan(package)[2]:
                yield package

    def _absolute(self, target: str, module: str) -> str:
        """Return the absolute name of a relative import `target` (leading dots) made in `module`."""
        level = len(target) - len(target.lstrip("."))
        if level == 0:
            return target
        parts = module.split(".") if self.files[module][1] else module.split(".")[:-1]
        parts = parts[: len(parts) - (level - 1)]
        return ".".join([*parts, *filter(None, [target.lstrip(".")])])

    def _resolve(self, target: str, name: str | None) -> list[str]:
        """Return the modules behind `from target import name` (`import target` when name is None)."""
        if name is None:
            return [target]
        if f"{target}.{name}" in self.files:
            return [f"{target}.{name}"]
        _, imports, re_exports = self.scan(target)
        if self.files[target][1] and re_exports:
            for origin, exported in imports:
                origin = self._absolute(origin, target)
                if exported == name and origin.split(".")[0] == PACKAGE:
                    return self._resolve(origin, name)
        return [target]


#: Scans by the bytes of a file: parsing the package takes a second, which every job would pay.
_SCANS = Kept(f"imports-{digest_of(Path(__file__).read_bytes(), platform.python_version())[:16]}.json")


@lru_cache(maxsize=4096)
def _scan(path: str, _modified: int, _size: int) -> Scan:
    data = Path(path).read_bytes()
    code, imports, re_exports = _SCANS.get(digest_of(data), lambda: _scanned(data, path))
    return code, [(target, name) for target, name in imports], re_exports


def _scanned(data: bytes, path: str) -> Scan:
    tree = ast.parse(data, filename=path)
    imports = [*_imports(tree)]
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
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield "." * node.level + (node.module or ""), alias.name
        found += [node for node in ast.iter_child_nodes(node) if isinstance(node, HOLD_STATEMENTS)]


def _is_plumbing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Assign) and all(
        isinstance(target, ast.Name) and target.id.startswith("__") for target in statement.targets
    )
