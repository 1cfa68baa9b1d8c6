"""Print the jobs that Snakemake would run, as JSON lines: python planned_jobs.py SNAKEMAKE'S ARGUMENTS.

Rule, wildcards, and what it asks for in the first and in the second attempt.
"""

import json
import sys

from snakemake import cli
from snakemake.executors.dryrun import Executor


def print_job(_, job) -> None:
    line = {"rule": job.rule.name, "wildcards": dict(job.wildcards.items()), "asked": []}
    for attempt in (1, 2):
        job.attempt = attempt
        values = job.resources.items()
        line["asked"].append({key: value for key, value in values if type(value) in (int, str)})
    print("job", json.dumps(line))


if __name__ == "__main__":
    Executor.printjob = print_job
    cli.main(["--dry-run", "--quiet", "rules", *sys.argv[1:]])
