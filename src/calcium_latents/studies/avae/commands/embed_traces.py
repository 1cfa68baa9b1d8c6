"""Embed the neurons of any recording with a trained model of single neurons: its length and rate may differ."""

import sys

from calcium_latents.commands.cli import command, run_command

SCHEMA = "calcium-latents traces embedded"
SCHEMA_VERSION = 1
MUCH = 0.01  # of the samples outside of the training recording's range of values: worth a warning


@command(
    checkpoint="checkpoint.pt of avae, avae_plus or pca",
    recording="continuous recording of traces (.nc)",
    threads={"type": int, "default": 1},
    output="latents and reconstructions (.nc)",
)
def main(options) -> None:
    """Write latents, their uncertainty, residuals and reconstructions of every neuron."""
    import hashlib
    from pathlib import Path

    import torch

    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording
    from calcium_latents.recordings.netcdf import write_dataset
    from calcium_latents.recordings.traces_matrix import trace_matrix
    from calcium_latents.studies.avae.trace_encoder import load_trace_encoder

    torch.set_num_threads(options.threads)
    encoder = load_trace_encoder(options.checkpoint)
    recording = read_recording(options.recording)
    matrix = trace_matrix(recording, options.recording)
    outside = encoder.part_outside(matrix)
    if outside > MUCH:
        span = f"{encoder.minimum:.4g} to {encoder.minimum + encoder.scale:.4g}"
        print(
            f"{options.recording}: fluorescence: {outside:.0%} of the samples lie outside of the range that the model"
            f" was trained on ({span}). Use the same units, or a model trained with data.normalisation=trace.",
            file=sys.stderr,
        )
    box = embed_recording(encoder, recording, matrix, options.recording)
    box.attrs["outside_training_range"] = outside
    digest = hashlib.sha256(Path(options.checkpoint).read_bytes()).hexdigest()[:16]
    config = {"checkpoint": digest, "recording": recording.attrs["config_digest"]}
    write_dataset(box, options.output, provenance(config, [__spec__.name], encoder.seed))


def embed_recording(encoder, recording, matrix, path: str):
    """Return a Dataset of what `encoder` says about the traces `matrix` [neuron, time] of `recording`.

    `latents`, `latents_sd` (not of principal components) [neuron, latent]; `residual` [neuron], mean over time of
    (trace - reconstruction)^2; `reconstruction` [time, neuron]. `time` is the recording's, up to the model's duration.

    Raises:
        UserError: see `TraceEncoder.embed`.
    """
    import numpy as np
    import xarray as xr

    rate_hz = 1 / float(recording.attrs["bin_width_s"])
    found = encoder.embed(matrix, rate_hz, path)
    shown = found.reconstruction.shape[1]
    time = recording["time"].values
    if len(time) != matrix.shape[1]:  # consecutive trials, joined
        time = time[0] + np.arange(matrix.shape[1]) / rate_hz
    residual = np.square(matrix[:, :shown] - found.reconstruction, dtype=np.float64).mean(1).astype(np.float32)
    by_latent = ("neuron", "latent")
    described = {
        "neuron": (("neuron",), recording["neuron"].values, "1", "neuron"),
        "time": (("time",), time[:shown], "s", "start of the bin relative to the trial's zero"),
        "latents": (by_latent, found.latents, "1", "posterior mean"),
        "latents_sd": (by_latent, found.latents_sd, "1", "posterior standard deviation"),
        "residual": (("neuron",), residual, "fluorescence squared", "mean squared distance to the trace"),
        "reconstruction": (("time", "neuron"), found.reconstruction.T, "fluorescence", "reconstruction"),
    }
    variables = {
        name: (dims, values, {"units": units, "long_name": long_name})
        for name, (dims, values, units, long_name) in described.items()
        if values is not None
    }
    attributes = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "model": encoder.name,
        "identity_latents": encoder.identity_latents,
        "model_rate_hz": encoder.rate_hz,
        "model_duration_s": encoder.samples / encoder.rate_hz,
        "normalisation": encoder.normalisation,
        "source": recording.attrs["source"],
    }
    return xr.Dataset(variables, attrs=attributes)


if __name__ == "__main__":
    run_command(main)
