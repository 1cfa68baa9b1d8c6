"""What the jobs of a run took, for the order and the forecast of the next ones: results/reference/seconds.csv.

    ./run; ./run demo; python benchmarks/job_seconds.py results/quick results/demo

Rows of other scales stay. Run it on an idle machine, on results that were all made in one go.
"""

import argparse
from pathlib import Path

import pandas as pd

from calcium_latents.files import write_table

TABLE = Path(__file__).parents[1] / "results/reference/seconds.csv"


def seconds(results: Path) -> pd.DataFrame:
    """Return scale, job and CPU seconds of the jobs below results/SCALE/benchmarks."""
    folder = results / "benchmarks"
    rows = [
        (results.name, path.relative_to(folder).with_suffix("").as_posix(), pd.read_table(path)["cpu_s"].iloc[0])
        for path in sorted(folder.rglob("*.tsv"))
    ]
    return pd.DataFrame(rows, columns=["scale", "job", "cpu_s"])


def main() -> None:
    """Add the rows of the folders of results that are named, and say what each study takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+", help="results/SCALE")
    folders = parser.parse_args().results
    new = pd.concat([seconds(folder) for folder in folders])
    old = pd.read_csv(TABLE) if TABLE.is_file() else new[:0]
    table = pd.concat([old[~old["scale"].isin(new["scale"])], new]).sort_values(["scale", "job"])
    write_table(table.round({"cpu_s": 1}), TABLE)
    minutes = new.assign(study=new["job"].str.split("/").str[0]).groupby(["scale", "study"])["cpu_s"].sum() / 60
    print(minutes.round(1).rename("CPU minutes").to_string(), f"\nall: {minutes.sum():.1f}")


if __name__ == "__main__":
    main()
