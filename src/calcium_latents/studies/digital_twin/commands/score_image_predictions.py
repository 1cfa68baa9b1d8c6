"""Score predicted responses to images, neuron by neuron, beside what their repeats allow and shuffled images."""

from calcium_latents.commands.cli import command, run_command


@command(
    responses="responses to images (.nc)",
    prediction={
        "required": True,
        "action": "append",
        "metavar": "METHOD=FILE",
        "help": "predictions (.nc); again for more methods, and for more seeds of a method",
    },
    dataset="its name in the table",
    label={"help": "its name in print; default: the dataset's name"},
    seed={"type": int, "default": 0, "help": "of the shuffled images"},
    output="table (.csv)",
)
def main(options) -> None:
    """Write one row a neuron, method and seed of the method."""
    from calcium_latents.files import write_table
    from calcium_latents.recordings.image_responses import read_image_responses
    from calcium_latents.studies.digital_twin.response_scores import score_predictions

    responses = read_image_responses(options.responses)
    predictions = _read(options.prediction, responses)
    about = (options.dataset, options.label or options.dataset, options.seed, options.responses)
    scores = score_predictions(responses, predictions, *about)
    write_table(scores, options.output)


def _read(pairs: list[str], responses) -> dict:
    """Return (method, seed) -> rates [image, neuron] of the `--prediction`s, checked against the responses."""
    import numpy as np

    from calcium_latents.errors import UserError
    from calcium_latents.recordings.fields import fail
    from calcium_latents.recordings.image_predictions import read_image_predictions

    found = {}
    for pair in pairs:
        method, sign, path = pair.partition("=")
        if not (method and sign and path):
            raise UserError(f"--prediction: expected METHOD=FILE, found {pair!r}.")
        prediction = read_image_predictions(path)
        run = (method, int(prediction.attrs["seed"]))
        if run in found:
            raise UserError(f"{path}: expected one prediction of each method and seed, found another of {run}.")
        if not np.array_equal(prediction["neuron"].values, responses["neuron"].values):
            fail(path, "neuron", "the neurons of the responses, in their order", "others", "Fit this data set again.")
        found[run] = prediction["rate"].values
    return found


if __name__ == "__main__":
    run_command(main)
