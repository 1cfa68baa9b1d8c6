"""The two smoothing baselines of RADICaL: `smth-dec` (deconvolved events) and `smth-sim-fluor`
(fluorescence).

As in the paper (Methods, "Data preparation for each method"), non-sampled bins are removed, so that every
imaging frame is one bin and all neurons count as sampled together; the frames are then convolved with a
Gaussian of 6 ms s.d. At 30 ms a frame this kernel hardly reaches the neighbouring frame (weight 4e-6); the
paper found it best for 10 Hz and faster among 3 to 40 ms.
"""

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings import make_inferred
from calcium_latents.recordings.frames import to_frames
from calcium_latents.recordings.missing import bridge, gaussian_mean

WIDTH_S = 0.006  # paper: 6 ms s.d.
METHODS = {"smth-dec": "events", "smth-sim-fluor": "fluorescence"}
_TRUNCATE_SD = 4.0


def smooth(
    recording: xr.Dataset, variable: str = "events", sd_s: float = WIDTH_S, name: str | None = None
) -> xr.Dataset:
    """Return the Gaussian-smoothed frames of `events` or `fluorescence` as an Inferred dataset at frame
    times.

    The kernel is truncated at 4 s.d. and, at both ends of a trial, renormalised over the frames that exist,
    so that a constant stays constant and no trial leaks into the next. Frames without a sample of a neuron
    are filled linearly from its neighbouring frames, held at the ends of the trial. `event_rate` is events
    per second for events, and for fluorescence the (unitless) fluorescence above the neuron's smallest
    smoothed value. `name` is what the method is called in results; by default that of `METHODS`.

    Raises:
        UserError: the variable is missing, or a neuron has no sample in a trial.
    """
    if variable not in METHODS.values() or variable not in recording:
        raise UserError(f"recording: expected the variable {variable}, found {sorted(map(str, recording.data_vars))}.")
    rate_hz = float(recording.attrs["imaging_rate_hz"])
    frames, time = to_frames(recording[variable].values, recording["time"].values, rate_hz)
    numbers = recording["neuron"].values if "neuron" in recording else np.arange(frames.shape[2])
    smoothed = gaussian_filter(_fill(frames, numbers), sd_s * rate_hz)
    units = "1"
    if variable == "events":
        smoothed, units = smoothed * rate_hz, "1/s"
    else:
        # An Inferred has no negative rates; a constant per neuron changes no mapping that has an intercept.
        smoothed = smoothed - smoothed.min(axis=(0, 1))
    model = name or next(method for method, source in METHODS.items() if source == variable)
    inferred = make_inferred(
        event_rate=smoothed,
        time=time,
        model=model,
        recording=recording,
        attributes={"smoothing_sd_s": float(sd_s), "imaging_rate_hz": rate_hz},
    )
    inferred["event_rate"].attrs.update(units=units, long_name=f"smoothed {variable}")
    return inferred


def gaussian_filter(frames: np.ndarray, sd: float) -> np.ndarray:
    """Return `frames` [trial, frame, neuron] under a Gaussian of `sd` frames, truncated at 4 s.d., renormalised at the
    ends."""
    if not sd > 0:
        raise UserError(f"sd_s: expected a positive width in seconds, found {sd}.")
    return gaussian_mean(frames, sd, axis=1, radius=max(1, int(np.ceil(_TRUNCATE_SD * sd))))


def _fill(frames: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Fill missing frames [trial, frame, neuron] linearly in time, hold the ends; `numbers` [neuron] name neurons."""
    empty = np.argwhere(~np.isfinite(frames).any(axis=1))
    if len(empty):
        trial, neuron = empty[0]
        raise UserError(
            f"recording: neuron {numbers[neuron]} has no sample in trial {trial}; "
            "leave the neuron or the trial out, or use longer trials."
        )
    return bridge(frames.swapaxes(0, 1)).swapaxes(0, 1)
