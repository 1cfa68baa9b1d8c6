"""What every box on disk shares: a `Box` says what one kind holds, and makes, checks, reads and writes it by that."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.fields import REMAKE, Field, ValueCheck, check_time, check_variable, fail, variable
from calcium_latents.recordings.lazy import is_lazy, lazy_names
from calcium_latents.recordings.netcdf import PartCheck, attribute, open_dataset, read_dataset, write_dataset
from calcium_latents.recordings.slabs import slabs


@dataclass(frozen=True)
class Box:
    """One kind of box.

    Attributes:
        schema: the name that its files carry.
        fields: its variables.
        required: variables that every whole box has.
        either: variables of which every whole box has at least one.
        numbers: attributes that are finite positive numbers. Where `bin_width_s` is among them, bins are of that width.
        texts: attributes that are text, not empty.
        counts: attributes that are whole numbers, 0 or more.
        checks: what else must hold, each a function of the dataset and the name of its file; variables may be absent.
        part_checks: what else must hold of large variables of one shape, each made of the dataset and its file's name.
        version: of the schema.
    """

    schema: str
    fields: Mapping[str, Field]
    required: tuple[str, ...]
    either: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    checks: tuple[Callable[[xr.Dataset, str | Path], None], ...] = ()
    part_checks: tuple[Callable[[xr.Dataset, str | Path], PartCheck], ...] = ()
    version: int = 1

    @property
    def name(self) -> str:
        """The kind of box in words."""
        return self.schema.removeprefix("calcium-latents ")

    def make(
        self,
        source: str,
        variables: Mapping[str, Any],
        attributes: Mapping[str, Any],
        *,
        sizes: Mapping[str, int] | None = None,
        units: Mapping[str, str] | None = None,
        others: Mapping[str, tuple] | None = None,
    ) -> xr.Dataset:
        """Build and check a box. Arrays that have the right type already are held, not copied.

        Args:
            source: names it in messages.
            variables: values by name of field; None: left out.
            attributes: numbers and text; mappings are stored as JSON.
            sizes: dim -> size that the variables must have, where it is known.
            units: units by name of variable, where they are not the field's.
            others: further variables, name -> (dims, values, units, long_name).

        Raises:
            UserError: shapes, values or attributes are not those of the box.
        """
        for name in variables:
            if name not in self.fields:
                expected = f"one of the variables {list(self.fields)}"
                fail(source, name, expected, "another name", "Correct or leave out this variable.")
        parts: dict[str, tuple] = {}
        # In one order, for the bytes of the file.
        for name in self.fields:
            values = variables.get(name)
            if values is None:
                continue
            if sizes is not None:
                _check_shape(source, name, np.shape(values), self.fields[name].dims, sizes)
            parts[name] = variable(self.fields[name], values, (units or {}).get(name))
        for name, (dims, values, unit, long_name) in (others or {}).items():
            parts[name] = (dims, np.asarray(values), {"units": unit, "long_name": long_name})
        try:
            dataset = xr.Dataset(parts)
        except ValueError as error:
            raise UserError(f"{source}: the parts of the {self.name} do not fit together: {error}") from error
        own = {"schema": self.schema, "schema_version": self.version}
        dataset.attrs = own | {name: attribute(value) for name, value in attributes.items()}
        self.check(dataset, source)
        return dataset

    def check(self, dataset: xr.Dataset, path: str | Path, *, partial: bool = False) -> None:
        """Check that `dataset` is such a box; `path` names it in messages; `partial`: some variables only.

        Values that are not in memory are checked when they are written.

        Raises:
            UserError: names the file, the field, what was expected, what was found, and what to do.
        """
        found = dataset.attrs.get("schema")
        if found != self.schema:
            fail(path, "attribute schema", f"'{self.schema}'", f"{found!r}", "Is this the right file for this step?")
        found = dataset.attrs.get("schema_version")
        if found != self.version:
            fail(path, "attribute schema_version", f"{self.version}", f"{found!r}", "Make the file again.")
        for name in self.required:
            # Of some variables only the coordinates of their own dims come along.
            if name not in dataset.variables and (not partial or name in dataset.dims):
                fail(path, name, "this variable", f"only {sorted(map(str, dataset.variables))}", REMAKE)
        if self.either and not partial and not any(name in dataset for name in self.either):
            fail(path, self.either[0], " or ".join(self.either), "neither", f"A {self.name} needs one of them.")
        for name in dataset.variables:
            if name in self.fields:
                check_variable(dataset, str(name), self.fields[str(name)], path)
            elif str(name) not in dataset.dims and not dataset[name].attrs.get("units"):
                fail(path, str(name), "an attribute 'units'", "none", "Give it units ('1' for none).")
        for dim, size in dataset.sizes.items():
            if size == 0:
                fail(path, f"dimension {dim}", "at least one entry", "none", "Is the source file empty?")
        self._check_attributes(dataset, path)
        if "time" in dataset:
            width = dataset.attrs["bin_width_s"] if "bin_width_s" in self.numbers else None
            check_time(dataset["time"].values, width, path)
        for check in self.checks:
            check(dataset, path)
        for make in self.part_checks:
            check = make(dataset, path)
            if check.names and not any(is_lazy(dataset[name]) for name in check.names):
                for at in slabs(dataset[check.names[0]].values):
                    check.add({name: dataset[name].values[at] for name in check.names}, at)
                check.finish()

    def _check_attributes(self, dataset: xr.Dataset, path: str | Path) -> None:
        def is_number(value: Any, kinds: Any) -> bool:
            # bool is an int in Python; a flag is no rate and no number.
            return isinstance(value, kinds) and not isinstance(value, bool) and bool(np.isfinite(value))

        for name in self.numbers:
            value: Any = dataset.attrs.get(name)
            if not is_number(value, int | float | np.number) or value <= 0:
                fail(path, f"attribute {name}", "a positive number", f"{value!r}", REMAKE)
        for name in self.texts:
            value = dataset.attrs.get(name)
            if not isinstance(value, str) or not value:
                fail(path, f"attribute {name}", "text", f"{value!r}", REMAKE)
        for name in self.counts:
            value: Any = dataset.attrs.get(name)
            if not is_number(value, int | np.integer) or value < 0:
                fail(path, f"attribute {name}", "a whole number, 0 or more", f"{value!r}", REMAKE)

    def write(self, dataset: xr.Dataset, path: str | Path, provenance: Mapping[str, Any]) -> None:
        """Check `dataset` and write it to `path` as netCDF, atomically and with the same bytes each time.

        `provenance` (config_digest, code_digest, seed, versions) becomes attributes. Variables that are not in memory
        are made, checked and written a block of neurons at a time.

        Raises:
            UserError: it is no such box, or provenance lacks an entry or has another seed; nothing is written then.
        """
        self.check(dataset, path)
        if "seed" in self.counts and provenance.get("seed", dataset.attrs["seed"]) != dataset.attrs["seed"]:
            expected = f"{provenance['seed']} as in its provenance"
            fail(path, "attribute seed", expected, f"{dataset.attrs['seed']}", "Pass one seed.")
        lazy = lazy_names(dataset)
        checks: list[PartCheck] = []
        for name in lazy:
            if name in self.fields and self.fields[name].dtype.startswith("float"):
                checks.append(ValueCheck(name, self.fields[name], path))
        checks += [check for make in self.part_checks if set((check := make(dataset, path)).names) & set(lazy)]
        write_dataset(dataset, path, provenance, checks)

    @contextmanager
    def open(self, path: str | Path, lazy_dims: tuple[str, ...]) -> Generator[xr.Dataset]:
        """Yield such a box; variables of `lazy_dims` are read a block of neurons at a time, when they are asked for.

        Raises:
            UserError: the file is missing, no netCDF, or no such box.
        """
        with open_dataset(path, lazy_dims) as dataset:
            self.check(dataset, path)
            yield dataset

    def read(self, path: str | Path, variables: list[str] | None = None) -> xr.Dataset:
        """Read such a box (or only `variables` and their coordinates) into memory and check it.

        Raises:
            UserError: the file is missing, no netCDF, or no such box.
        """
        dataset = read_dataset(path, variables)
        self.check(dataset, path, partial=variables is not None)
        return dataset


def _check_shape(
    source: str, name: str, found: tuple[int, ...], dims: tuple[str, ...], sizes: Mapping[str, int]
) -> None:
    expected = tuple(sizes.get(dim, "any") for dim in dims)
    if len(found) != len(dims) or any(e not in ("any", f) for e, f in zip(expected, found, strict=True)):
        fail(source, name, f"shape {expected} for {list(dims)}", f"{found}", "Correct this array.")
