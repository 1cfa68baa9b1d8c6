"""A user's own recording of responses to images as ImageResponses: `read_image_entry` takes an entry of the config.

Fields of every entry:

- `format`: arrays or nwb (text); default: nwb for a file that ends in .nwb, else arrays.
- `image_shape`: [height, width] in px to which images are averaged down, [int, int]; null (default): as in the file.
- `validation_share`: share of the images that are not test images that become validation images, number in (0, 1),
  default 0.1. They are drawn with the seed.
- `negatives_to_zero`: set responses below 0 to 0 (true or false, default true); attribute `negatives_set_to_zero` is
  their share.
- `scale_responses`: divide each neuron's responses by their standard deviation over training images (true or false,
  default false: models do so for their training); where that is below 1 % of its mean over neurons, by 1.
- `neurons`: all (default), usable (leave out neurons that never vary, are 0 throughout, or miss presentations that
  others have), or a list of numbers of columns, counted through all animals.
- `trials_averaged`: presentations of which the file holds the average, int, default 1.
- `image_source`: where the images come from, in words; default: the name of the file.

A SOURCE below is a path (text), or a mapping of

- `file`: path of a .npy, .npz, HDF5 or .mat file, relative to the folder;
- `key`: name of the array, needed except for .npy;
- `axes`: names of its axes in their order, such as "repeat image neuron". Flattened axes stand in brackets, the slowest
  first: "image (y x)" holds one row of pixels an image; their lengths are given by
- `sizes`: {y: 31, x: 31}, say; one of them may be left out.

Fields with `format: arrays`, where training and test images are apart:

- `training_images`, `test_images`: SOURCE with axes image, y, x (default "image y x") and, if in colour, colour.
- `training_responses`, `test_responses`: SOURCE, or a list of SOURCEs, one an animal; axes image, neuron and, for
  single trials, repeat (default, for two axes only: "image neuron"). NaN: not shown.

or, where a table says which image a trial showed:

- `images`: SOURCE as above;
- `responses`: SOURCE with axes trial and neuron (default "trial neuron");
- `image_of_trial`: SOURCE of one axis, or {file: TABLE.csv, column: NAME};
- `first_image`: number of the first image, 0 (default) or 1; numbers below it are blank screens;
- `test`, `minimum_repeats`: as for NWB.

Fields with `format: nwb`:

- `file`: path, relative to the folder.
- `key`: a RoiResponseSeries of activity, with its containers where its name is not enough, or `units` for spike times;
  default: the only one, dF/F first. Of its ROIs, those that the file says are accepted are taken.
- `orientation`: "neurons x frames" where the series' data lie so, against the standard.
- `response_window_s`: [from, to] after the onset, s; default [0.05, 0.35]. Spikes in it are counted, activity is
  averaged.
- `baseline_window_s`: [from, to] relative to the onset, of which the mean is taken off; null (default): none.
- `presentations`: name of an IndexSeries, of a table of intervals, or of an ImageSeries (or OpticalSeries) with one
  frame a presentation; default: the only one.
- `image_column`: of the table, the column with the number or the name of the image; default: the first of image,
  image_index, image_name, stimulus_index, frame.
- `images`: name of the Images, ImageSeries or OpticalSeries that holds the images; default: the only template.
- `blanks`: values of the column that are no image, a list; numbers below 0 and missing values never are.
- `image_axes`: "y x" (default; as most files are) or "x y" (as the standard's text has it).
- `test`: what the test images are: repeated (default; those shown at least `minimum_repeats` times), a share of those
  in (0, 1), drawn with the seed, or a list of image numbers from 0 on.
- `minimum_repeats`: int from 2 on, default 2.

The presentations of a training or validation image are averaged to one.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.fields import TEST, TRAINING, VALIDATION, fail, named_neurons
from calcium_latents.recordings.image_responses import make_image_responses
from calcium_latents.recordings.readers.entry_fields import find_path
from calcium_latents.recordings.readers.images.image_arrays import array_fields, read_image_arrays
from calcium_latents.recordings.readers.images.image_nwb import nwb_fields, read_image_nwb
from calcium_latents.recordings.readers.images.image_scaling import area_averaged, scaled_responses
from calcium_latents.recordings.readers.images.presentations import Presentations, known_fields, number
from calcium_latents.seeds import generator

FORMATS = {"arrays": (read_image_arrays, array_fields), "nwb": (read_image_nwb, nwb_fields)}
#: Attribute with the share of responses that were set to 0, and from where on it is worth a warning.
SET_TO_ZERO, MANY = "negatives_set_to_zero", 0.2
COMMON = (
    "format",
    "image_shape",
    "validation_share",
    "negatives_to_zero",
    "scale_responses",
    "neurons",
    "trials_averaged",
    "image_source",
)


def read_image_entry(entry: Mapping[str, Any], folder: str | Path, label: str, seed: int) -> xr.Dataset:
    """Return the recording that `entry` describes as ImageResponses.

    Args:
        entry: see the module's docstring.
        folder: what its paths are relative to.
        label: name of the data set in print.
        seed: of the choice of validation images and, if they are a share, test images.

    Raises:
        UserError: names the file, the field, what was expected, what was found, and what to do.
    """
    chosen = entry.get("format") or ("nwb" if str(entry.get("file", "")).endswith(".nwb") else "arrays")
    if chosen not in FORMATS:
        fail(label, "format", f"one of {list(FORMATS)}", f"{chosen!r}", "Correct it in the entry.")
    read, fields = FORMATS[chosen]
    known_fields(entry, (*COMMON, *fields(entry)), label)
    source = label if chosen == "arrays" else str(find_path(entry.get("file"), "file", folder, label))
    shown = chosen_neurons(_present(read(entry, folder, label)), entry.get("neurons", "all"), source)
    part = _parts(shown, entry, seed, source)
    shown, averaged = _averaged(shown, part != TEST)
    images = shown.images
    if entry.get("image_shape") is not None:
        images = area_averaged(images, entry["image_shape"], source)
    training = images[part == TRAINING]
    mean, deviation = float(training.mean()), float(training.std())
    if not deviation > 0:
        fail(source, "images", "training images that vary", "one luminance throughout", "Correct the images.")
    cut = _flag(entry, "negatives_to_zero", source, True)
    negative = float((shown.responses < 0).sum() / max(np.isfinite(shown.responses).sum(), 1))
    if cut:
        shown = replace(shown, responses=np.maximum(shown.responses, 0))  # NaN stays NaN
    shown = _responding(shown, entry.get("neurons") == "usable", source)
    responses = shown.responses
    scaled = _flag(entry, "scale_responses", source, False)
    if scaled:
        responses = scaled_responses(responses, part[shown.image_of_trial] == TRAINING)
    stated = number(entry, "trials_averaged", source, 1, minimum=1, whole=True)
    return make_image_responses(
        label=label,
        image_source=str(entry.get("image_source") or shown.source),
        seed=seed,
        images=(images - mean) / deviation,
        part=part,
        image_of_trial=shown.image_of_trial,
        response=responses,
        animal=shown.animal,
        neuron=shown.neuron,
        luminance_mean=mean,
        luminance_sd=deviation,
        trials_averaged=int(stated) * averaged,
        attributes={
            **shown.attributes,
            "source_format": chosen,
            "responses_scaled": int(scaled),
            SET_TO_ZERO: negative if cut else 0.0,
        },
    )


def chosen_neurons(shown: Presentations, selection: Any, source: str) -> Presentations:
    """Return the presentations with all, the usable, or the listed neurons; see the module's docstring.

    Raises:
        UserError: a number that no neuron has, none left, infinite responses, or a neuron that misses a presentation
            which others of its animal have.
    """
    responses, count = shown.responses, shown.responses.shape[1]
    complete = np.ones(count, bool)
    for animal in np.unique(shown.animal):
        columns = shown.animal == animal
        missing = np.isnan(responses[:, columns])
        complete[columns] = ~(missing & ~missing.all(1, keepdims=True)).any(0) & ~missing.all()
    complete &= ~np.isinf(responses).any(0)
    if isinstance(selection, list | tuple):
        kept = np.asarray(selection)
        if kept.ndim != 1 or not kept.size or kept.dtype.kind not in "iu" or np.unique(kept).size != kept.size:
            fail(source, "neurons", "all, usable, or a list of different numbers", f"{selection!r:.100}", "Correct it.")
        if kept.min() < 0 or kept.max() >= count:
            found = f"{kept.max() if kept.max() >= count else kept.min()}"
            fail(source, "neurons", f"numbers from 0 to {count - 1}", found, "Correct it in the entry.")
    elif selection == "usable":
        lowest = np.where(np.isnan(responses), np.inf, responses).min(0)
        highest = np.where(np.isnan(responses), -np.inf, responses).max(0)
        kept = np.flatnonzero(complete & (highest > lowest))
    elif selection == "all":
        kept = np.arange(count)
    else:
        fail(source, "neurons", "all, usable, or a list of numbers", f"{selection!r:.100}", "Correct it in the entry.")
    wrong = kept[~complete[kept]]
    if wrong.size or not kept.size:
        found = f"{wrong.size} of {kept.size} without (the first: neuron {wrong[0]})" if wrong.size else "no neuron"
        expected = "a finite response of every neuron wherever its animal has one"
        fail(source, "responses", expected, found, "Leave them out (`neurons: usable`), or mend them.")
    return shown.of_neurons(kept)


def _responding(shown: Presentations, usable: bool, source: str) -> Presentations:
    """Return the presentations without neurons whose responses are all 0, which only `usable` leaves out.

    Raises:
        UserError: there is such a neuron, or no other.
    """
    active = np.asarray(np.nan_to_num(shown.responses).any(axis=0))
    if active.all():
        return shown
    if not usable or not active.any():
        found = f"0 throughout in {named_neurons(shown.neuron[~active])} of {active.size}"
        advice = "Leave them out (`neurons: usable`), or keep responses below 0: `negatives_to_zero: false`."
        fail(source, "responses", "a response that is not 0 of every neuron", found, advice)
    return shown.of_neurons(active)


def on_negatives(responses: xr.Dataset) -> str:
    """Return what was done to responses below 0, in words, with advice where they are many."""
    share = float(responses.attrs[SET_TO_ZERO])
    said = f"{share:.1%} of the responses were below 0 and were set to 0"
    if share <= MANY:
        return f"{said}."
    return (
        f"warning: {said}, and what they said is lost. Give raw responses (not z-scored or centred on their mean), add"
        " an offset to them, or keep them: `negatives_to_zero: false`."
    )


def _present(shown: Presentations) -> Presentations:
    """Leave out trials without any response, and images that no trial shows."""
    trials = ~np.isnan(shown.responses).all(1)
    images = np.unique(shown.image_of_trial[trials])
    return Presentations(
        images=shown.images[images],
        image_of_trial=np.searchsorted(images, shown.image_of_trial[trials]),
        responses=shown.responses[trials],
        animal=shown.animal,
        neuron=shown.neuron,
        number=shown.number[images],
        test=None if shown.test is None else shown.test[images],
        source=shown.source,
        attributes=shown.attributes,
    )


def _parts(shown: Presentations, entry: Mapping[str, Any], seed: int, source: str) -> np.ndarray:
    """Return the part of each image [image]."""
    repeats = np.bincount(shown.image_of_trial, minlength=len(shown.images))
    test = shown.test
    if test is None:
        test = _test_images(shown, repeats, entry, seed, source)
    if (repeats[test] < 2).any() or not test.any():
        found = f"{int((repeats[test] < 2).sum())} of {int(test.sum())} with fewer"
        advice = "Give single trials of the test images: without repeats nothing says how reliable responses are."
        fail(source, "test images", "two or more presentations of each", found, advice)
    share = number(entry, "validation_share", source, 0.1)
    others = np.flatnonzero(~test)
    count = max(1, round(share * others.size))
    if not 0 < share < 1 or others.size - count < 2:
        found = f"{others.size} images and a share of {share:g}"
        advice = "Correct `validation_share`, or make fewer images test images: `test: 0.2`, say."
        fail(source, "validation_share", "a share in (0, 1) that leaves training images", found, advice)
    part = np.where(test, TEST, TRAINING)
    part[generator(seed, "image responses", "validation").permutation(others)[:count]] = VALIDATION
    return part


def _test_images(
    shown: Presentations, repeats: np.ndarray, entry: Mapping[str, Any], seed: int, source: str
) -> np.ndarray:
    """Return whether each image is a test image [image], where the file does not say."""
    wanted = entry.get("test", "repeated")
    least = number(entry, "minimum_repeats", source, 2, minimum=2, whole=True)
    repeated = repeats >= least
    if wanted == "repeated":
        if repeated.all():
            advice = "Name them: a share, `test: 0.2`, say, or a list of image numbers; or raise `minimum_repeats`."
            fail(source, "test", "some images shown once", f"all shown {least:g} times or more", advice)
        return repeated
    if isinstance(wanted, float) and 0 < wanted < 1:
        candidates = generator(seed, "image responses", "test").permutation(np.flatnonzero(repeated))
        chosen = candidates[: max(1, round(wanted * len(shown.images)))]
    elif isinstance(wanted, list | tuple) and wanted and np.isin(wanted, shown.number).all():
        chosen = np.flatnonzero(np.isin(shown.number, wanted))
    else:
        expected = f"repeated, a share in (0, 1), or a list of numbers of images from 0 to {shown.number.max()}"
        fail(source, "test", expected, f"{wanted!r:.100}", "Correct it in the entry.")
    return np.isin(np.arange(len(shown.images)), chosen)


def _averaged(shown: Presentations, which: np.ndarray) -> tuple[Presentations, int]:
    """Average the trials of the images where `which` [image]; return the presentations and how many make one.

    The new trials come first, in the order of images; the others follow in theirs.
    """
    of_trial = which[shown.image_of_trial]
    images = np.flatnonzero(which)
    rows = np.searchsorted(images, shown.image_of_trial[of_trial])
    responses = shown.responses[of_trial]
    known = ~np.isnan(responses)
    sums, counts = np.zeros((2, len(images), responses.shape[1]))
    np.add.at(sums, rows, np.where(known, responses, 0))
    np.add.at(counts, rows, known)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    shown = shown.of_trials(~of_trial, before=(images, means))
    return shown, max(1, round(float(counts[counts > 0].mean())))


def _flag(entry: Mapping[str, Any], name: str, source: str, default: bool) -> bool:
    value = entry.get(name, default)
    if not isinstance(value, bool):
        raise UserError(f"{source}: {name}: expected true or false, found {value!r}. Correct it in the entry.")
    return value
