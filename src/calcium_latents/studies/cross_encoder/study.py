"""What the workflow needs to know of the study `cross_encoder`: simulated populations and the user's recordings."""

from calcium_latents.configuration import merge
from calcium_latents.models.cross_encoder.parameters import PairOptions
from calcium_latents.planning.plan import Plan, model_of
from calcium_latents.simulation.latent_population.latent_population_parameters import LatentPopulationParameters

#: Fields of an entry that say how many frames and neurons its file has.
HEADER = ("format", "key", "orientation", "sampling_rate_hz", "is_dff")

#: method -> (label, colour, marker), in the order of legends
LABELS = {
    "cross_encoder": ("cross-encoder", "vermillion", "o"),
    "cross_encoder_published": ("cross-encoder, published recipe", "purple", "P"),
    "linear_encoder": ("cross-encoder, linear encoder", "orange", "D"),
    "reduced_rank_regression": ("reduced-rank regression", "blue", "s"),
    "ceiling": ("true expected activity", "black", "_"),
}


def check(plan: Plan) -> None:
    """Check that recordings bear no name of the study's own."""
    plan.take_recordings("cross_encoder", {*plan.settings["cross_encoder"]["datasets"], "solvable_network", "figures"})


def check_data(plan: Plan) -> None:
    """Check that every model finds neurons and chunks enough. Raises UserError."""
    settings = plan.settings["cross_encoder"]
    for name in [*settings["run"], *plan.recordings_of("cross_encoder")]:
        sizes = _recorded(plan, name) if name in plan.recordings else _simulated(plan, name)
        if sizes is None:
            continue
        neurons, frames, frame_s, place = sizes
        for run in plan.trained("cross_encoder", name):
            data = PairOptions(**plan.composed("cross_encoder", name, model_of(run)).config["data"])
            data.neurons(neurons, place)
            if frames is not None:
                data.chunks(frames, frame_s, place)


def _simulated(plan: Plan, name: str) -> tuple[int, int | None, float, str]:
    settings = plan.settings["cross_encoder"]
    own = settings["datasets"][name]["parameters"]
    said = LatentPopulationParameters.from_mapping(merge(settings["population"], own))
    frames = round(said.duration_s * said.rate_hz) if said.paradigm == "spontaneous" else None
    return said.neurons, frames, 1 / said.rate_hz, f"{plan.chosen_by}, field 'cross_encoder.datasets.{name}'"


def _recorded(plan: Plan, name: str) -> tuple[int, int | None, float, str] | None:
    entry, rate = plan.recordings[name], plan.settings["cross_encoder"]["rate_hz"]
    header = plan.header(name, {"file": entry["file"], **{key: entry[key] for key in HEADER if key in entry}})
    if header is None:
        return None
    frames, neurons, recorded_hz = header
    frames = None if "response_window_s" in entry else int(frames / recorded_hz * rate)
    place = f"{plan.settings['recordings_file']}, field 'recordings.{name}'"
    return neurons, frames, 1 / rate, place


def groups(plan: Plan) -> dict:
    """Return the simulated populations, those of them that are spontaneous, and the user's recordings."""
    settings = plan.settings["cross_encoder"]
    spontaneous = [
        name for name in settings["run"] if settings["datasets"][name]["parameters"].get("paradigm") == "spontaneous"
    ]
    recordings = plan.recordings_of("cross_encoder")
    return {
        "run": settings["run"],
        "spontaneous": spontaneous,
        "recordings": recordings,
        "encoded": [*settings["run"], *recordings],
    }


def overrides(plan: Plan, dataset: str) -> list[str]:
    """Return Hydra's overrides of a dataset: its own, or those of recordings, with the entry's own chunks."""
    settings = plan.settings["cross_encoder"]
    if dataset in plan.recordings_of("cross_encoder"):
        own = {key: plan.recordings[dataset].get(key) for key in ("chunk_s", "buffer_s")}
        return [
            *settings["recordings"]["overrides"],
            *(f"data.{key}={value}" for key, value in own.items() if value is not None),
        ]
    return settings["datasets"][dataset]["overrides"]
