# Study `radical`: searches over hyperparameters. Random ones show which metric a search may choose by.
from calcium_latents.configuration import read_yaml


def search_kind(name):
    """Return the `kind` of a file of config/search, or of the first file that it builds on; None: no search."""
    path = ROOT / f"config/search/{name}.yaml"
    described = read_yaml(path) if path.is_file() else {}
    above = [entry for entry in described.get("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    return described.get("kind") or next(filter(None, map(search_kind, above)), None)


def searches(kind):
    """Return dataset -> the directories, below it, of the results of models with a search of that kind."""
    found = {}
    for model, choice in RADICAL["models"].items():
        for dataset in (
            choice.get("datasets", RADICAL["run"]) if search_kind(choice["search"]) == kind else ()
        ):
            if dataset not in RADICAL["datasets"]:
                raise WorkflowError(
                    f"{CHOSEN_BY}, field 'radical.models.{model}.datasets': expected names of 'radical.datasets'"
                    f" ({', '.join(RADICAL['datasets'])}), found {dataset!r}."
                )
            own = [run for run in trained("radical", dataset) if model_of(run) == model]
            found[dataset] = found.get(dataset, []) + own
    return found


RANDOM_SEARCHES = searches("random")


def random_search_files(file):
    """Return a function of wildcards: `file` of every random search on the dataset."""
    return lambda wildcards: [
        box("radical", wildcards.dataset, f"{run}/{file}") for run in RANDOM_SEARCHES[wildcards.dataset]
    ]


rule score_population:
    input:
        recording="results/{scale}/radical/{dataset}/events.nc",
        checkpoints=random_search_files("checkpoint.pt"),
        metrics=random_search_files("metrics.csv"),
        configs=random_search_files("config.yaml"),
    output:
        recovery="results/{scale}/radical/{dataset}/population_recovery.csv",
    log:
        "results/{scale}/logs/radical/{dataset}/score_population.log",
    benchmark:
        "results/{scale}/benchmarks/radical/{dataset}/score_population.tsv"
    wildcard_constraints:
        dataset=one_of(RANDOM_SEARCHES),
    conda:
        "../../envs/training.yaml"
    threads: resource("score_population", "threads")
    resources:
        mem_mb=resource("score_population", "mem_mb"),
        runtime=resource("score_population", "runtime"),
        gpu=resource("score_population", "gpu"),
    params:
        options=shlex.quote(json.dumps(RADICAL["evaluation"])),
        code=code("commands.score_population"),
    message:
        "Score the members of random searches on radical/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.commands.score_population --recording {input.recording} --checkpoints {input.checkpoints}"
        " --dataset {wildcards.dataset} --parameters {params.options} --output {output.recovery} > {log} 2>&1"


if RANDOM_SEARCHES:
    FIGURES["radical"]["selection_population"] = {
        "recovery": boxes("radical", RANDOM_SEARCHES, "population_recovery.csv")
    }
for dataset, directories in searches("pbt").items():
    # of several seeds, the first
    for model in dict.fromkeys(map(model_of, directories)):
        run = next(directory for directory in directories if model_of(directory) == model)
        FIGURES["radical"][f"population_search-{model}-{dataset}"] = {
            name: box("radical", dataset, f"{run}/{file}")
            for name, file in (("metrics", "metrics.csv"), ("config", "config.yaml"))
        }
