"""Score what methods say about samples that were hidden from them: likelihood, beside simple baselines."""

import numpy as np
import pandas as pd

from calcium_latents.commands.cli import command, method_of, run_command

WINDOW_S = 10.0  # pieces of the session that the interval is resampled from


@command(
    recording="continuous recording with all events (.nc)",
    shown="the same without the hidden samples (.nc)",
    inferred={"required": True, "nargs": "+", "help": "results at .../MODEL/seed-NUMBER/output.nc"},
    seed={"type": int, "default": 0},
    scores="table (.csv)",
    comparison="table (.csv)",
)
def main(options) -> None:
    """Write the likelihoods by model and window, and the comparison with each baseline."""
    from calcium_latents.files import write_table
    from calcium_latents.metrics import held_out
    from calcium_latents.recordings import read_inferred, read_recording
    from calcium_latents.recordings.hiding import hidden_samples
    from calcium_latents.recordings.windows import stitch_windows

    whole, shown = read_recording(options.recording), read_recording(options.shown)
    events, hidden = whole["events"].values, hidden_samples(whole, shown)
    minimum, rate_hz = float(whole.attrs["event_minimum"]), float(whole.attrs["imaging_rate_hz"])
    training = np.isfinite(events) & ~hidden
    constant = held_out.fit_constant_rate(events, training, minimum)
    predictions = {"constant": constant}
    for name, population in (("smoothed own", False), ("smoothed population", True)):
        predictions[name] = held_out.smoothed(events, training, constant, 1 / rate_hz, population)[0]
    references = list(predictions)
    # bins that no window covers have no prediction: no method is scored there
    covered = np.ones(events.shape, bool)
    for path in options.inferred:
        model, seed = method_of(path)
        name = model if model not in predictions else f"{model}, seed {seed}"
        session = stitch_windows(read_inferred(path), 0.0)
        predictions[name], where = held_out.predicted(whole, session, constant, minimum)
        covered &= where
    scores = held_out.score_held_out(events, hidden & covered, predictions, minimum, round(WINDOW_S * rate_hz))
    compared = [held_out.compare_held_out(scores, reference, seed=options.seed) for reference in references]
    write_table(scores, options.scores)
    write_table(pd.concat(compared), options.comparison)


if __name__ == "__main__":
    run_command(main)
