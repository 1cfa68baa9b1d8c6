"""What the workflow needs to know of the study `radical`: names in print, groups of datasets, searches."""

from calcium_latents.models.lfads.parameters import TrialOptions
from calcium_latents.planning.plan import Plan, model_of
from calcium_latents.simulation.lorenz.parameters import LorenzRecordingParameters

#: method -> (label, colour, marker), in the order of legends
LABELS = {
    "radical": ("RADICaL", "vermillion", "o"),
    "radical_published": ("RADICaL, published recipe, no search", "purple", "P"),
    "radical_dropout30": ("RADICaL, dropout rate 0.3", "sky", "v"),
    "radical_dropout05": ("RADICaL, dropout rate 0.05", "grey", "X"),
    "radical_pbt": ("RADICaL, population-based training", "black", "*"),
    "radical_random": ("RADICaL, random search", "yellow", "<"),
    "autolfads": ("AutoLFADS", "blue", "s"),
    "smth-dec": ("smth-dec", "green", "^"),
    "smth-sim-fluor": ("smth-sim-fluor", "orange", "D"),
}
#: Folders of results/reference with what the scale `searches` found.
POPULATION_SEARCHES = ("radical_pbt-lorenz-10hz",)
RANDOM_SEARCHES = ("radical_random-lorenz-10hz", "radical_random-lorenz-10hz-noise2")


def groups(plan: Plan) -> dict:
    """Return the groups of datasets and folders that figures and claims read."""
    settings = plan.settings["radical"]
    activity = settings["figures"]["activity"]
    # of several seeds of a search, the first
    population = {
        f"{model}-{dataset}": f"{dataset}/{next(run for run in runs if model_of(run) == model)}"
        for dataset, runs in searches(plan, "pbt").items()
        for model in dict.fromkeys(map(model_of, runs))
    }
    random = list(searches(plan, "random"))
    if not (population or random):  # they take longer than all else: their figures show what the scale `searches` found
        population = {name: plan.reference("radical", name) for name in POPULATION_SEARCHES}
        random = [plan.reference("radical", name) for name in RANDOM_SEARCHES]
    return {
        "run": settings["run"],
        "activity": [activity],
        "activity_first": [activity, *(name for name in settings["run"] if name != activity)],
        "examples": settings["figures"]["examples"],
        "convergence": [settings["convergence"]["dataset"]],
        "random_searches": random,
        "population_searches": population,
    }


def check_data(plan: Plan) -> None:
    """Check that there are trials to train on and to validate. Raises UserError."""
    settings = plan.settings["radical"]
    for name in settings["run"]:
        said = LorenzRecordingParameters(**{**settings["simulation"], **settings["datasets"][name]["parameters"]})
        for run in plan.trained("radical", name):
            data = TrialOptions(**plan.composed("radical", name, model_of(run)).config["data"])
            data.held_out(said.number_of_trials, f"{plan.chosen_by}, field 'radical.datasets.{name}'")


def convergence_files(plan: Plan, file: str) -> list[str]:
    """Return a file of every model whose training is looked at."""
    settings = plan.settings["radical"]["convergence"]
    runs = [run for run in plan.trained("radical", settings["dataset"]) if model_of(run) in settings["models"]]
    return [plan.box("radical", settings["dataset"], f"{run}/{file}") for run in runs]


def search_files(plan: Plan, kind: str, dataset: str, file: str) -> list[str]:
    """Return a file of every search of that kind on a dataset."""
    return [plan.box("radical", dataset, f"{run}/{file}") for run in searches(plan, kind)[dataset]]


def searches(plan: Plan, kind: str) -> dict[str, list[str]]:
    """Return dataset -> the folders, below it, of the results of models with a search of that kind."""
    settings, found = plan.settings["radical"], {}
    for model, choice in settings["models"].items():
        for dataset in choice.get("datasets", settings["run"]):
            if plan.composed("radical", dataset, model).config["search"].get("kind") != kind:
                continue
            own = [run for run in plan.trained("radical", dataset) if model_of(run) == model]
            found[dataset] = found.get(dataset, []) + own
    return found
