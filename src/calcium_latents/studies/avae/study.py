"""What the workflow needs to know of the study `avae`: sets of simulated cultures, and the user's recordings."""

from calcium_latents.errors import UserError
from calcium_latents.models.traces.parameters import BinOptions, TraceOptions
from calcium_latents.planning.plan import Plan, model_of
from calcium_latents.simulation.culture.culture_parameters import CultureSet

TRAINED_ON = "traces.nc"
#: method -> (label, colour, marker), in the order of legends
LABELS = {
    "avae_plus": ("AVAE+ (ours)", "vermillion", "o"),
    "avae": ("AVAE, published recipe", "purple", "P"),
    "pca": ("principal components", "blue", "s"),
    "training mean": ("mean of training traces", "grey", "x"),
    "shuffled labels": ("shuffled labels", "grey", "x"),
}
PUBLISHED, BASELINE, OURS = "avae", "pca", "avae_plus"
SHORT = {PUBLISHED: "AVAE", BASELINE: "PCA", OURS: "AVAE+"}


def groups(plan: Plan) -> dict:
    """Return the groups of datasets that figures and claims read."""
    settings, recordings = plan.settings["avae"], plan.recordings_of("avae")
    simulated = [name for name in settings["run"] if "set" in settings["datasets"][name]]
    joined = [name for name in settings["run"] if name not in simulated]
    compared = [name for name in settings["run"] if settings["datasets"][name]["conditions"]]
    # a run of the user's recordings alone has no examples of simulated cultures to draw
    examples = [name for name in [settings["figures"]["examples"]] if name in simulated]
    levels = [name for name in settings["figures"]["noise"] if name in simulated]
    others = [name for name in simulated if name not in {*examples, *levels, *compared}]
    return {
        "simulated": simulated,
        "joined": joined,  # the user's recordings, by condition
        "recordings": recordings,
        "measured": [*joined, *recordings],
        "embedded": [*settings["run"], *recordings],
        "compared": compared,
        "compared_simulated": [
            name for name in compared if name in simulated
        ],  # a user's conditions are not the paper's
        "examples": examples,
        "levels": levels,
        "mapped": dict(zip([""], examples, strict=False)) | {name: name for name in others},
        "sets": culture_sets(plan, simulated),
    }


def with_maps(plan: Plan) -> set[str]:
    """Return the datasets whose latents are drawn as t-SNE maps."""
    named = groups(plan)
    return {*named["mapped"].values(), *named["compared"]}


def check(plan: Plan) -> None:
    """Check names of recordings and datasets, and say what is left out."""
    settings = plan.settings["avae"]
    plan.take_recordings("avae", {*settings["datasets"], "sets", "figures"})
    if "sets" in settings["datasets"]:
        raise UserError(
            f"{plan.chosen_by}, field 'avae.datasets.sets': expected another name, since results have a folder 'sets'."
        )
    named = groups(plan)
    for name in named["joined"]:
        joined_recordings(plan, name)
    missing = sorted({settings["figures"]["examples"], *settings["figures"]["noise"]} - {*named["simulated"]})
    if missing:
        plan.notice(f"avae's figures of simulated cultures leave out what is not run: {', '.join(missing)}.")


def check_data(plan: Plan) -> None:
    """Check that the simulated cultures have neurons and samples enough for every model. Raises UserError."""
    settings = plan.settings["avae"]
    for name in groups(plan)["simulated"]:
        place = f"{plan.chosen_by}, field 'avae.sets.{settings['datasets'][name]['set']}'"
        cultures = CultureSet.from_mapping(settings["sets"][settings["datasets"][name]["set"]])
        neurons = sum(cultures.most_neurons(group) * group.cultures for group in cultures.groups)
        for run in plan.trained("avae", name):
            config = plan.composed("avae", name, model_of(run)).config
            data = TraceOptions(**config["data"])
            if "neuron" not in data.splits and min(group.cultures for group in cultures.groups) < 2:
                raise UserError(f"{place}: expected two cultures of every group for data.splits={[*data.splits]}.")
            training = data.training_neurons(neurons)
            data.check_sizes(training, cultures.samples, max(config["model"]["latent_sizes"]), place)
            if "bins" in config["model"]:
                bins = BinOptions(**config["model"]["bins"])
                bins.check_length(cultures.samples, cultures.rate_hz, max(config["model"]["latent_sizes"]), place)


def overrides(plan: Plan, dataset: str) -> list[str]:
    """Return Hydra's overrides of a dataset: its own, or those of recordings by themselves."""
    settings = plan.settings["avae"]
    own = settings["recordings"] if dataset in plan.recordings_of("avae") else settings["datasets"][dataset]
    return own["overrides"]


def label(plan: Plan, dataset: str) -> str:
    """Return the name in print of a dataset; a recording's is its own."""
    return plan.settings["avae"]["datasets"].get(dataset, {}).get("label", dataset)


def culture_sets(plan: Plan, datasets: list[str]) -> list[str]:
    """Return the sets of cultures that datasets are made of."""
    settings = plan.settings["avae"]
    return list(dict.fromkeys(settings["datasets"][name]["set"] for name in datasets))


def joined_recordings(plan: Plan, dataset: str) -> dict[str, list[str]]:
    """Return condition -> names of the user's recordings that make up a dataset of traces.

    Raises UserError when a name is of no recording, or comes twice.
    """
    named = plan.settings["avae"]["datasets"].get(dataset, {}).get("recordings", {dataset: [dataset]})
    place = f"{plan.chosen_by}, field 'avae.datasets.{dataset}.recordings'"
    names = [name for names in named.values() for name in names]
    if "recordings" not in plan.studies:
        raise UserError(
            f"{place}: expected the study 'recordings', which imports them, in 'studies', found"
            f" {', '.join(plan.studies)}."
        )
    for name in names:
        if name not in plan.recordings:
            raise UserError(
                f"{place}: expected names of entries of {plan.settings['recordings_file']} whose files are there"
                f" ({', '.join(plan.recordings) or 'none'}), found {name!r}. Correct the name, or add the entry."
            )
        if names.count(name) > 1:
            raise UserError(f"{place}: expected each recording once, found {name!r} twice.")
    return named


def joined_files(plan: Plan, dataset: str) -> dict[str, str]:
    """Return CONDITION=NAME -> imported recording, of those that make up a dataset of traces."""
    return {
        f"{condition}={name}": plan.box("recordings", name, "recording.nc")
        for condition, names in joined_recordings(plan, dataset).items()
        for name in names
    }
