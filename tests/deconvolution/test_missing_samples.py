"""Lost frames cost their own samples, and nothing else."""

import numpy as np
import pytest

from calcium_latents.deconvolution import oasis
from calcium_latents.deconvolution.interface import deconvolve
from calcium_latents.deconvolution.pieces import bridged_pieces, find_pieces, longest_bridge
from calcium_latents.errors import UserError
from calcium_latents.recordings import check_recording

OPTIONS = {"s_min": -1.0, "decay_time_limits_s": [0.3, 0.8], "baseline_nonnegative": False}


def correlation(events: np.ndarray, spikes: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.array([np.corrcoef(e[where], s[where])[0, 1] for e, s in zip(events.T, spikes.T, strict=True)])


def test_pieces_end_at_long_gaps():
    sampled = np.array([0, 1, 1, 0, 1, 0, 0, 1, 0], bool)
    assert find_pieces(sampled, 0) == [slice(1, 3), slice(4, 5), slice(7, 8)]
    assert find_pieces(sampled, 1) == [slice(1, 5), slice(7, 8)]
    assert find_pieces(sampled, 2) == [slice(1, 8)]
    assert find_pieces(np.ones(4, bool), 0) == [slice(0, 4)]
    assert find_pieces(np.zeros(4, bool), 0) == []


def test_short_gaps_are_bridged_and_short_pieces_left_out():
    trace = np.arange(30.0)
    trace[[4, 5]] = trace[12:20] = trace[24] = np.nan
    pieces = bridged_pieces(trace, 2)
    assert list(pieces) == [(0, 12), (20, 30)]
    np.testing.assert_allclose(pieces[0, 12], np.arange(12))
    np.testing.assert_allclose(pieces[20, 30], np.arange(20, 30))
    assert list(bridged_pieces(trace, 1)) == [(20, 30)]  # 4 and 6 samples beside the gap of 2


@pytest.mark.parametrize(("decay", "samples"), [(np.exp(-1 / 20.5), 20), (np.exp(-1 / 1.5), 1), (0.1, 1), (1.0, 1)])
def test_gaps_are_bridged_up_to_one_decay_time(decay, samples):
    assert longest_bridge(decay) == samples


@pytest.mark.parametrize("lost", [[400], [400, 401, 402, 1200]])
def test_a_few_lost_frames_cost_nothing_else(known, session_of, lost):
    spikes, fluorescence = known
    whole = deconvolve(session_of(fluorescence), **OPTIONS)["events"].values[0]
    fluorescence = fluorescence.copy()
    fluorescence[lost] = np.nan
    result = deconvolve(session_of(fluorescence), **OPTIONS)
    events = result["events"].values[0]
    assert np.array_equal(np.isnan(events), np.isnan(fluorescence))
    where = np.isfinite(events[:, 0])
    assert (correlation(events, spikes, where) > correlation(whole, spikes, where) - 0.005).all()


def test_flagged_frames_leave_the_correlation_with_spikes_as_it_was(known, session_of):
    spikes, fluorescence = known
    bad = np.zeros(1800, bool)
    bad[100::60] = bad[101::60] = True
    whole = deconvolve(session_of(fluorescence), **OPTIONS)["events"].values[0]
    flagged = np.where(bad[:, None], np.nan, fluorescence)
    events = deconvolve(session_of(flagged), **OPTIONS)["events"].values[0]
    found, before = correlation(events, spikes, ~bad), correlation(whole, spikes, ~bad)
    assert (before > 0.95).all() and (found > before - 0.02).all()


def test_samples_before_a_neuron_was_found_are_not_there(known, session_of):
    _, fluorescence = known
    late = fluorescence.copy()
    late[:1500, 2] = np.nan
    result, alone = deconvolve(session_of(late), **OPTIONS), deconvolve(session_of(fluorescence[1500:]), **OPTIONS)
    np.testing.assert_array_equal(result["events"].values[0, 1500:, 2], alone["events"].values[0, :, 2])
    assert np.isnan(result["events"].values[0, :1500, 2]).all()
    for name in ("noise_sd", "decay_time", "baseline"):
        assert result[name].values[2] == alone[name].values[2]


def test_pieces_beside_a_long_gap_share_their_estimates(known, session_of):
    _, fluorescence = known
    holed = fluorescence.copy()
    holed[700:900] = np.nan
    result = deconvolve(session_of(holed), **OPTIONS)
    decay = np.exp(-1 / (30.0 * result["decay_time"].values[1].astype(float)))
    noise, baseline = (float(result[name].values[1]) for name in ("noise_sd", "baseline"))
    for part in (slice(0, 700), slice(900, 1800)):
        trace = holed[part, 1].astype(np.float32)
        expected = oasis.deconvolve_trace(trace, -1.0, decay=decay, noise=noise, baseline=baseline).events
        np.testing.assert_allclose(result["events"].values[0, part, 1], expected, atol=1e-4)


def test_pieces_that_are_too_short_are_left_missing_and_named(known, session_of, capsys):
    _, fluorescence = known
    holed = fluorescence.copy()
    holed[100:200, 3] = holed[207:400, 3] = np.nan
    result = deconvolve(session_of(holed), **OPTIONS)
    assert np.isnan(result["events"].values[0, 100:400, 3]).all()
    assert np.isfinite(result["events"].values[0, :, :3]).all()
    check_recording(result, "deconvolved.nc")  # fluorescence is missing there, too
    assert "7 samples" in (said := capsys.readouterr().err) and said.rstrip().endswith(": neuron 13")


def test_samples_that_are_all_far_apart_are_refused(known, session_of):
    _, fluorescence = known
    sparse = np.where((np.arange(1800) % 10 == 0)[:, None], fluorescence, np.nan)
    with pytest.raises(UserError, match=r"neuron 10: expected at least 32 samples in pieces.*found 180"):
        deconvolve(session_of(sparse), **OPTIONS)


def test_centred_and_scaled_traces_have_the_same_events(known, session_of):
    _, fluorescence = known
    options = OPTIONS | {"normalise": True}
    scored = (fluorescence - fluorescence.mean(axis=0)) / fluorescence.std(axis=0)
    plain, centred = (deconvolve(session_of(values), **options)["events"].values for values in (fluorescence, scored))
    assert np.array_equal(plain > 0, centred > 0)
    np.testing.assert_allclose(centred, plain, rtol=2e-3)
    held = deconvolve(session_of(scored), **(options | {"baseline_nonnegative": True}))["events"].values
    assert (held > 0).sum() < 0.8 * (plain > 0).sum()


def test_a_free_baseline_changes_nothing_where_it_is_above_zero(known, session_of):
    _, fluorescence = known
    free = deconvolve(session_of(3 + fluorescence), **OPTIONS)["events"].values
    held = deconvolve(session_of(3 + fluorescence), **(OPTIONS | {"baseline_nonnegative": True}))["events"].values
    np.testing.assert_array_equal(free, held)
