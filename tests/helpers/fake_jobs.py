"""Jobs as Snakemake has them, without Snakemake."""

from types import SimpleNamespace


class Job(SimpleNamespace):
    """A job of a rule, with its log in results/quick/logs and the jobs that it needs."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def __init__(self, rule, folder="", needs=(), **output):
        place = "/".join(filter(None, ["results/quick/logs/study", folder, f"{rule}.log"]))
        super().__init__(
            rule=SimpleNamespace(name=rule, norun=rule == "all"),
            wildcards={"dataset": folder},
            log=[place],
            needs=needs,
            output=SimpleNamespace(**output),
        )


def planned(jobs, cores=2):
    """Return a workflow of Snakemake's whose jobs are these, numbered as they stand."""
    dag = SimpleNamespace(needrun_jobs=lambda: iter(jobs), job_dependencies=lambda job: job.needs, jobid=jobs.index)
    resources = {"_cores": SimpleNamespace(value=cores), "_nodes": SimpleNamespace(value=None)}
    return SimpleNamespace(dag=dag, global_resources=resources)
