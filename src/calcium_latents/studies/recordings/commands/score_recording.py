"""Score what methods say about samples that were hidden from them: likelihood, beside simple baselines."""

from calcium_latents.commands.cli import command, method_of, run_command


@command(
    recording="continuous recording with all events (.nc)",
    shown="the same without the hidden samples (.nc)",
    baselines={"required": True, "nargs": "+", "help": "baselines' event rates (.nc), the constant rate among them"},
    inferred={"default": [], "nargs": "*", "help": "results at .../MODEL/seed-NUMBER/output.nc"},
    seed={"type": int, "default": 0},
    scores="table (.csv)",
    comparison="table (.csv)",
)
def main(options) -> None:
    """Write the likelihoods by model and window, and the comparison with each baseline; print the verdict."""
    import numpy as np
    import pandas as pd

    from calcium_latents.files import write_table
    from calcium_latents.metrics import held_out, held_out_scores
    from calcium_latents.planning.studies import labels
    from calcium_latents.recordings import read_inferred, read_recording
    from calcium_latents.recordings.hiding import hidden_samples
    from calcium_latents.recordings.windows import stitch_windows
    from calcium_latents.studies.recordings.baselines import WINDOW_S
    from calcium_latents.studies.recordings.verdict import verdict

    whole, shown = (
        read_recording(path, ["events", "trial_start", "sample_offset"]) for path in (options.recording, options.shown)
    )
    events, hidden = whole["events"].values, hidden_samples(whole, shown)
    minimum, rate_hz = float(whole.attrs["event_minimum"]), float(whole.attrs["imaging_rate_hz"])
    samples = held_out_scores.held_out_samples(events, hidden, round(WINDOW_S * rate_hz))
    constant = samples.of(held_out.fit_constant_rate(events, np.isfinite(events) & ~hidden, minimum))
    predictions, described = {}, {}
    # bins that no window covers have no prediction: no method is scored there
    covered = np.ones(len(samples.events), bool)

    def predict(name, session):
        predictions[name], where = held_out.predicted(whole, session, samples.where, constant, minimum)
        described[name] = session.attrs.get("description") or labels().get(name, (name,))[0]
        return where

    for path in options.baselines:
        session = read_inferred(path)
        covered &= predict(session.attrs["model"], session)
    references = list(predictions)
    for path in options.inferred:
        model, seed = method_of(path)
        name = model if model not in predictions else f"{model}, seed {seed}"
        covered &= predict(name, stitch_windows(read_inferred(path), 0.0))
    if not covered.all():
        samples = samples.among(covered)
        predictions = {name: one.among(covered) for name, one in predictions.items()}
    scores = held_out_scores.score_samples(samples, predictions, minimum, "constant")
    comparison = pd.concat(
        [held_out_scores.compare_held_out(scores, reference, seed=options.seed) for reference in references]
    )
    comparison["description"] = comparison["model"].map(described)
    write_table(scores, options.scores)
    write_table(comparison, options.comparison)
    print(verdict(comparison).sentence())


if __name__ == "__main__":
    run_command(main)
