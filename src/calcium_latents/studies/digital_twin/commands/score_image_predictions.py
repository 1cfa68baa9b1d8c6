"""Score predicted responses to images, neuron by neuron, beside what their repeats allow and shuffled images."""

from calcium_latents.commands.cli import command, read_runs, run_command


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
    import numpy as np

    from calcium_latents.files import write_table
    from calcium_latents.recordings.fields import fail
    from calcium_latents.recordings.image_predictions import read_image_predictions
    from calcium_latents.recordings.image_responses import read_image_responses
    from calcium_latents.studies.digital_twin.response_scores import score_predictions

    responses = read_image_responses(options.responses)

    def read(path: str):
        prediction = read_image_predictions(path)
        if not np.array_equal(prediction["neuron"].values, responses["neuron"].values):
            fail(path, "neuron", "the neurons of the responses, in their order", "others", "Fit this data set again.")
        return prediction

    found = read_runs("prediction", options.prediction, read)
    predictions = {run: prediction["rate"].values for run, prediction in found.items()}
    about = (options.dataset, options.label or options.dataset, options.seed, options.responses)
    scores = score_predictions(responses, predictions, *about)
    write_table(scores, options.output)


if __name__ == "__main__":
    run_command(main)
