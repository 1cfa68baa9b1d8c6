# Which models of study `radical` are searches over hyperparameters
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


def random_search_files(file):
    """Return a function of wildcards: `file` of every random search on the dataset."""
    return lambda wildcards: [
        box("radical", wildcards.dataset, f"{run}/{file}") for run in RANDOM_SEARCHES[wildcards.dataset]
    ]
