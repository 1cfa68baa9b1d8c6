"""Embedding new traces: the training recording comes out as it went in; other rates and lengths, nearly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.models.avae.family import AvaeFamily
from calcium_latents.models.avae_plus.family import AvaePlusFamily
from calcium_latents.models.traces.bins import fit_bins
from calcium_latents.models.traces.parameters import BinOptions
from calcium_latents.models.traces.pca_family import PcaFamily, PrincipalComponents
from calcium_latents.models.traces.statistics import FEWEST_BINS
from calcium_latents.provenance import provenance
from calcium_latents.recordings import make_recording, write_recording
from calcium_latents.seeds import generator
from calcium_latents.studies.avae.commands import embed_traces
from calcium_latents.studies.avae.trace_encoder import expected_scores, load_trace_encoder
from calcium_latents.training.fitting import fit

RATE, DURATION_S, NEURONS = 20, 30, 60
DATA = {"normalisation": "global", "splits": ["neuron"], "partitions": 1}
FAMILIES = {
    "avae": (
        AvaeFamily("avae", [4], 8, [0.1]),
        {"epochs": 100, "batch_size": 16, "learning_rate": 2e-3, "patience": 100},
    ),
    "avae_plus": (
        AvaePlusFamily("avae_plus", [4, 2], 32, [1.0], {"width_s": 0.1, "most": 600, "decay_time_s": 1.0}),
        {"steps": 100, "pool": 512, "batch_size": 64, "schedule": {"warmup_steps": 10, "final_fraction": 0.0}},
    ),
    "pca": (PcaFamily("pca", [4, 2]), {}),
}
MODELS = tuple(FAMILIES)
ORIGIN = {"config_digest": "c", "code_digest": "c", "seed": 3, "versions": "{}"}


def cultures(rate_hz=4 * RATE, duration_s=DURATION_S):
    """Traces [neuron, time] of two cultures with bursts of their own, in front of a neuron's own events."""
    random = generator(1, "tests", "trace encoder")
    samples = int(rate_hz * duration_s)
    events = np.zeros((NEURONS, samples))
    for culture in range(2):
        for start in random.integers(0, samples, 5):
            members = culture * NEURONS // 2 + np.flatnonzero(random.random(NEURONS // 2) < 0.8)
            events[members, start] += random.uniform(0.5, 2.0, len(members))
    for row in events:
        row[random.integers(0, samples, 4)] += 0.5
    kernel = np.exp(-np.arange(8 * rate_hz) / rate_hz)
    traces = np.array([np.convolve(row, kernel)[:samples] for row in events])
    return (5 + traces + 0.02 * random.standard_normal(traces.shape)).astype(np.float32)


def as_recording(values, rate_hz):
    return make_recording(
        fluorescence=values.T[None],
        time=np.arange(values.shape[1]) / rate_hz,
        bin_width_s=1 / rate_hz,
        imaging_rate_hz=rate_hz,
        neuron=10 + np.arange(len(values)),
        source="test",
    )


def train(model, folder, values, **data):
    """Write checkpoint.pt as the training command does; return its path and the Embedding."""
    family, training = FAMILIES[model]
    recording = as_recording(values, RATE)
    module, batches, steps = family.prepare(recording, "test", DATA | data, training, {}, 3)
    if steps:
        fit(module, batches, steps, "cpu")
    result = family.result(module, recording)
    path = folder / model / "checkpoint.pt"
    path.parent.mkdir()
    with path.open("wb") as file:
        torch.save({**result.checkpoint, **ORIGIN}, file)
    return path, result.inferred


@pytest.fixture(scope="module")
def fine():
    """Traces at four times the models' rate."""
    return cultures()


@pytest.fixture(scope="module")
def values(fine):
    return fine[:, ::4]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, values):
    """Checkpoint and Embedding of each model."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    return {model: train(model, folder, values) for model in MODELS}


@pytest.fixture(scope="module")
def encoders(trained):
    return {model: load_trace_encoder(path) for model, (path, _) in trained.items()}


def distance(found, expected):
    """Root mean square difference over that of the neurons' spread, all latents together."""
    return np.sqrt(np.square(found - expected).mean() / expected.var(0).mean())


@pytest.mark.parametrize("model", MODELS)
def test_the_training_recording_comes_out_as_the_reported_member(model, trained, encoders, values):
    inferred = trained[model][1].sel(member=0)
    found = encoders[model].embed(values, RATE)
    np.testing.assert_array_equal(found.latents, inferred["latents"])
    np.testing.assert_array_equal(found.reconstruction, inferred["reconstruction"].T)
    if model == "pca":
        assert found.latents_sd is None
    else:
        np.testing.assert_array_equal(found.latents_sd, inferred["latents_sd"])


@pytest.mark.parametrize("model", MODELS)
def test_each_trace_can_be_normalised_by_itself(model, tmp_path, values):
    path, inferred = train(model, tmp_path, values, normalisation="trace")
    encoder = load_trace_encoder(path)
    np.testing.assert_array_equal(encoder.embed(values, RATE).latents, inferred["latents"].sel(member=0))
    other_units = encoder.embed(7 + 3 * values, RATE)
    assert distance(other_units.latents, inferred["latents"].sel(member=0).values) < 1e-3
    assert encoder.part_outside(7 + 3 * values) == 0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("factor", [0.5, 2])
def test_other_rates_give_nearly_the_same(model, factor, encoders, values, fine):
    """Root mean square difference of the latents: at most 5 % of their spread over neurons."""
    full = encoders[model].embed(values, RATE)
    other = fine[:, :: round(4 / factor)]
    found = encoders[model].embed(other, RATE * factor)
    assert found.reconstruction.shape == other.shape
    assert distance(found.latents, full.latents) < 0.05
    same_times = found.reconstruction if factor < 1 else found.reconstruction[:, ::2]
    expected = full.reconstruction[:, ::2] if factor < 1 else full.reconstruction
    assert np.abs(same_times - expected).mean() < 0.1 * expected.std()


@pytest.mark.parametrize("model", ["avae_plus", "pca"])
def test_seventy_percent_of_a_trace_give_about_the_same(model, encoders, values):
    """Events of the last 9 s are not known: latents differ by up to 20 % of their spread over neurons.

    By less than when what is missing is filled with the mean of all neurons. The identity latents have a test of their
    own, below: how many events there are is not known from so few.
    """
    encoder = encoders[model]
    full, short = encoder.embed(values, RATE), encoder.embed(values[:, :420], RATE)
    assert short.reconstruction.shape == (NEURONS, 420)
    filled = values.copy()
    filled[:, 420:] = values[:, 420:].mean(0)
    naive = encoder.embed(filled, RATE)
    timing = np.s_[:, encoder.identity_latents :]
    limit = min(0.2, distance(naive.latents[timing], full.latents[timing]))
    assert 0 < distance(short.latents[timing], full.latents[timing]) < limit
    assert np.square(short.reconstruction - values[:, :420]).mean() < 0.5 * values[:, :420].var(1).mean()
    if model == "avae_plus":
        assert (short.latents_sd.mean(0) > full.latents_sd.mean(0)).all()


@pytest.mark.parametrize(("model", "most"), [("avae_plus", 0.1), ("pca", 1e-2)])
def test_what_a_model_can_say_itself_it_infers_from_a_part(model, most, encoders, values):
    """From 70 % of its own reconstructions."""
    encoder = encoders[model]
    said = encoder.embed(values, RATE).reconstruction
    full, short = encoder.embed(said, RATE), encoder.embed(said[:, :420], RATE)
    timing = np.s_[:, encoder.identity_latents :]
    assert distance(short.latents[timing], full.latents[timing]) < most
    assert np.square(short.reconstruction - said[:, :420]).mean() < most * said.var(1).mean()


def test_a_part_of_a_trace_is_not_taken_for_one_with_fewer_events():
    """Events at regular intervals: as many a second in the half as in the whole."""
    at = [range(3, 300, every) for every in (10, 15, 25, 30, 50, 75) * 3]
    events = np.array([np.isin(np.arange(300), list(row)) for row in at]) * np.linspace(1, 2, len(at))[:, None]
    x = np.array([np.convolve(row, np.exp(-0.1 * np.arange(60)))[:300] for row in events], np.float32)
    bins = fit_bins(x, 10, BinOptions(width_s=0.1, most=600, decay_time_s=1.0), 2)
    scaled = bins.to_bins(x)
    whole = bins.identity(scaled)
    assert np.abs(bins.identity(scaled[:, :150]) - whole).max() < 0.02
    alone = replace(bins, samples=150)  # for which that is all there is
    assert np.abs(alone.identity(scaled[:, :150]) - whole).max() > 0.5


@pytest.mark.parametrize("model", ["avae_plus", "pca"])
def test_what_is_missing_changes_nothing_before_it(model, encoders, values):
    short = encoders[model].embed(values[:, :420], RATE)
    longer = encoders[model].embed(values[:, :421], RATE)  # half of a bin: AVAE+ waits for the other half
    assert longer.reconstruction.shape[1] == 421
    if model == "avae_plus":
        np.testing.assert_array_equal(longer.latents, short.latents)
    else:
        assert 0 < distance(longer.latents, short.latents) < 0.02


@pytest.mark.parametrize("model", MODELS)
def test_each_neuron_is_embedded_on_its_own(model, encoders, values):
    whole, part = encoders[model].embed(values, RATE), encoders[model].embed(values[7:9], RATE)
    np.testing.assert_allclose(part.latents, whole.latents[7:9], rtol=1e-3, atol=1e-3)


@settings(deadline=None, max_examples=30)
@given(samples=st.integers(60, 3000), rate_hz=st.floats(0.7, 100))
def test_any_length_and_rate_gives_the_span_that_trace_and_model_share(encoders, fine, samples, rate_hz):
    for model in ("pca", "avae_plus"):
        if samples / rate_hz < 2 * FEWEST_BINS / RATE + 0.1:
            continue
        found = encoders[model].embed(np.resize(fine[:3], (3, samples)), rate_hz)
        assert found.reconstruction.shape == (3, min(samples, int(DURATION_S * rate_hz + 0.05)))
        assert found.latents.shape == (3, 4) and np.isfinite(found.reconstruction).all()
        assert found.latents.dtype == found.reconstruction.dtype == np.float32


@pytest.mark.parametrize("model", MODELS)
def test_longer_traces_are_cut(model, encoders, values):
    longer = np.concatenate([values, values[:, ::-1]], axis=1)
    found = encoders[model].embed(longer, RATE)
    np.testing.assert_array_equal(found.latents, encoders[model].embed(values, RATE).latents)
    assert found.reconstruction.shape == values.shape


@pytest.mark.parametrize("known", [1, 3, 12, 29, 30])
def test_expected_scores_are_those_of_the_normal_distribution(known):
    """Against conditioning all samples' joint normal distribution on the known ones."""
    random, size, samples, variance = generator(known, "tests", "expected scores"), 3, 30, 0.3
    components = np.linalg.qr(random.standard_normal((samples, size)))[0].T
    scales = np.sqrt(np.array([9.0, 2.0, 0.5]) + variance)
    fit = PrincipalComponents(random.standard_normal(samples), components, scales)
    covariance = components.T @ np.diag([9.0, 2.0, 0.5]) @ components + variance * np.eye(samples)
    values = random.standard_normal((4, known))
    gain = covariance[:, :known] @ np.linalg.inv(covariance[:known, :known])
    whole = (values - fit.mean[:known]) @ gain.T  # expectation of all samples; the known ones as they are
    np.testing.assert_allclose(expected_scores(fit, variance, values), whole @ components.T, atol=1e-10)
    if known == samples:
        np.testing.assert_allclose(expected_scores(fit, variance, values), fit.encode(values), atol=1e-10)


@pytest.mark.parametrize(
    ("model", "least", "advice"), [("avae", 600, "avae_plus or pca"), ("avae_plus", 2 * FEWEST_BINS, "Give a longer")]
)
def test_traces_that_are_too_short_are_refused(model, least, advice, encoders, values):
    message = rf"a.nc: time: expected at least {least / RATE:g} s .*found {(least - 1) / RATE:g} s\. .*{advice}"
    with pytest.raises(UserError, match=message):
        encoders[model].embed(values[:, : least - 1], RATE, "a.nc")
    encoders[model].embed(values[:, :least], RATE, "a.nc")


def test_traces_that_are_none_are_refused(encoders, values, tmp_path):
    encoder = encoders["pca"]
    for wrong, rate_hz in ((values[0], RATE), (np.full((2, 600), np.nan), RATE), (values, 0), (values, np.nan)):
        with pytest.raises(UserError, match="^traces: "):
            encoder.embed(wrong, rate_hz)
    path, _ = train("pca", tmp_path, values, normalisation="trace")
    silent = values.copy()
    silent[3, :300] = 1.0
    load_trace_encoder(path).embed(silent, RATE)
    with pytest.raises(UserError, match="no variance in neuron 3"):
        load_trace_encoder(path).embed(silent[:, :300], RATE)


class Dangerous:
    """Would leave a file behind if it were read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    path, trap = tmp_path / "wrong.pt", tmp_path / "trap"
    with pytest.raises(UserError, match="no such file"):
        load_trace_encoder(path)
    other = {"family": {"name": "cross_encoder"}, "state": {}, "hidden": (8,), "seed": 1}
    for content in (torch.zeros(3), {}, [1], other, {"model": Dangerous(trap)}, torch.nn.Linear(2, 2), {1: 2}):
        torch.save(content, path)
        with pytest.raises(UserError, match=r"wrong.pt: checkpoint: expected one of avae, avae_plus or pca, found"):
            load_trace_encoder(path)
    assert not trap.exists()
    for text in (b"", b"no archive", b"PK\x03\x04 cut off"):
        path.write_bytes(text)
        with pytest.raises(UserError, match="unreadable"):
            load_trace_encoder(path)


@pytest.mark.parametrize("model", MODELS)
def test_incomplete_checkpoints_are_refused(model, trained, tmp_path):
    whole = torch.load(trained[model][0], weights_only=False)
    path = tmp_path / "wrong.pt"

    def refused(checkpoint, message):
        torch.save(checkpoint, path)
        with pytest.raises(UserError, match=message):
            load_trace_encoder(path)

    needed = {"avae": "samples", "avae_plus": "bins", "pca": "model"}
    for name in ("minimum", "scale", "rate_hz", "family", "seed"):
        refused({key: value for key, value in whole.items() if key != name}, f"wrong.pt: {name}: expected this field")
    refused({key: value for key, value in whole.items() if key != needed[model]}, "expected one of avae")
    refused(whole | {"rate_hz": 0.0}, "rate_hz: expected a positive number, found 0.0")
    refused(whole | {"scale": np.nan}, "scale: expected a positive number")
    refused(whole | {"normalisation": "none"}, "normalisation: expected one of")
    weights = "model" if model == "pca" else "state"
    name = {"avae": "mean.weight", "avae_plus": "log_sd", "pca": "mean"}[model]
    refused(whole | {weights: whole[weights] | {name: whole[weights][name][..., :1]}}, "fit together")
    refused(whole | {weights: {name: whole[weights][name]}}, "fit together")


def run(tmp_path, checkpoint, recording, output="embedding.nc"):
    write_recording(recording, tmp_path / "recording.nc", provenance({}, ["calcium_latents.errors"], 1))
    paths = {"checkpoint": checkpoint, "recording": tmp_path / "recording.nc", "output": tmp_path / output}
    embed_traces.main([part for name, path in paths.items() for part in (f"--{name}", str(path))])
    return xr.open_dataset(paths["output"], engine="h5netcdf", decode_times=False)


@pytest.mark.parametrize("model", MODELS)
def test_the_command_writes_what_the_model_says(model, trained, values, tmp_path, capsys):
    path, inferred = trained[model]
    with run(tmp_path, path, as_recording(values, RATE)) as found:
        assert found.attrs["schema"] == "calcium-latents traces embedded"
        assert found.attrs["model"] == model and found.attrs["seed"] == 3 and found.attrs["config_digest"]
        assert found.attrs["identity_latents"] == inferred.attrs["identity_latents"]
        assert ("latents_sd" in found) == (model != "pca")
        assert all(found[name].attrs["units"] for name in found.variables)
        expected = inferred.sel(member=0)
        np.testing.assert_array_equal(found["latents"], expected["latents"])
        np.testing.assert_array_equal(found["neuron"], expected["neuron"])
        np.testing.assert_array_equal(found["reconstruction"], expected["reconstruction"])
        np.testing.assert_allclose(found["residual"], expected["residual"], rtol=1e-3)
    assert capsys.readouterr().err == ""
    first = (tmp_path / "embedding.nc").read_bytes()
    run(tmp_path, path, as_recording(values, RATE)).close()
    assert (tmp_path / "embedding.nc").read_bytes() == first


def test_the_command_joins_consecutive_trials_and_warns_of_other_units(trained, values, tmp_path, capsys):
    grid = 10 * values.T.reshape(4, 150, NEURONS)
    pieces = make_recording(
        fluorescence=grid,
        time=2 + np.arange(150) / RATE,
        bin_width_s=1 / RATE,
        imaging_rate_hz=RATE,
        source="test",
        consecutive_trials=True,
    )
    with run(tmp_path, trained["avae"][0], pieces) as found:
        np.testing.assert_allclose(found["time"], 2 + np.arange(600) / RATE)
        assert found["reconstruction"].shape == (600, NEURONS)
        assert found.attrs["outside_training_range"] > 0.9
    assert "% of the samples lie outside" in capsys.readouterr().err


def test_the_command_writes_nothing_when_it_fails(trained, values, tmp_path):
    with pytest.raises(UserError, match="recording.nc: time: expected at least 30 s"):
        run(tmp_path, trained["avae"][0], as_recording(values[:, :400], RATE))
    broken = torch.load(trained["avae"][0], weights_only=False)
    broken["state"]["mean.bias"] = torch.full_like(broken["state"]["mean.bias"], torch.nan)
    torch.save(broken, tmp_path / "broken.pt")
    with pytest.raises(UserError, match="latents: expected numbers"):
        run(tmp_path, tmp_path / "broken.pt", as_recording(values, RATE))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.pt", "recording.nc"]
