"""Reading what figures draw: tidy tables and netCDF boxes, checked, with readable errors."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.files import read_table
from calcium_latents.recordings import read_inferred

Inputs = Mapping[str, Sequence[Path]]


def read_tables(inputs: Inputs, name: str, columns: Collection[str]) -> pd.DataFrame:
    """Read and join all CSV tables given as input `name`, and check that `columns` exist.

    Raises:
        UserError: a file is missing, empty, or lacks a column.
    """
    tables = [read_table(path, columns) for path in inputs.get(name, ())]
    if not tables or not sum(map(len, tables)):
        raise UserError(f"input {name}: expected at least one CSV table with rows, found none.")
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def read_predictions(inputs: Inputs) -> list[xr.Dataset]:
    """Read all held-out predictions (input `predictions`) in order of frequency_hz.

    Raises:
        UserError: a file is missing or is no file of predictions.
    """
    datasets = []
    for path in inputs["predictions"]:
        try:
            with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as opened:
                dataset = opened.load()
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: expected predictions (netCDF), found an unreadable file ({error}).") from error
        if "predicted" not in dataset or "latents" not in dataset or "frequency_hz" not in dataset.attrs:
            raise UserError(
                f"{path}: expected the variables predicted and latents and the attribute frequency_hz, "
                f"found {sorted(map(str, dataset.variables))}."
            )
        datasets.append(dataset)
    return sorted(datasets, key=lambda dataset: float(dataset.attrs["frequency_hz"]))


def read_runs(inputs: Inputs, variables: Sequence[str] = ("event_rate",)) -> dict[str, xr.Dataset]:
    """Read the inputs `inferred` by model; of several seeds of one model, the first file given is used.

    Variables other than event_rate are left out where a run does not have them.
    """
    runs: dict[str, xr.Dataset] = {}
    for path in inputs["inferred"]:
        dataset = read_inferred(path)
        runs.setdefault(str(dataset.attrs["model"]), dataset[[name for name in variables if name in dataset]])
    return runs
