# Which models of study `radical` are searches over hyperparameters
def searches(kind):
    """Return dataset -> the directories, below it, of the results of models with a search of that kind."""
    found = {}
    for model, choice in RADICAL["models"].items():
        for dataset in choice.get("datasets", RADICAL["run"]):
            if composed("radical", dataset, model).config["search"].get("kind") != kind:
                continue
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
