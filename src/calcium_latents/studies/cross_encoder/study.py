"""What the workflow needs to know of the study `cross_encoder`: simulated populations and the user's recordings."""

from calcium_latents.planning.plan import Plan

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
