"""Latents against running speed: what may not matter (gauge, order, doubled columns), and what chance gives."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.ndimage import gaussian_filter1d

from calcium_latents.errors import UserError
from calcium_latents.recordings import make_recording
from calcium_latents.studies.cross_encoder import running_speed as rs

FRAMES, WIDTH_S = 1200, 0.2
TIME = np.arange(FRAMES) * WIDTH_S


def smooth(seed, columns=1, frames=FRAMES, deviation=8):
    """Independent smooth series [frame, column] of unit variance."""
    x = gaussian_filter1d(np.random.default_rng(seed).normal(size=(frames + 200, columns)), deviation, axis=0)
    return x[100:-100] / x.std()


def session(seed=0, related=True, latents=3, factor=True):
    """A recording with running speed, and a run whose factors are an affine map of its true latents."""
    rng = np.random.default_rng(seed)
    z = smooth(seed, latents)
    speed = np.exp(0.8 * (z[:, 0] if related else smooth(seed + 1000)[:, 0]))
    events = np.maximum(z @ rng.normal(size=(latents, 12)) + rng.normal(size=(FRAMES, 12)), 0)
    recording = make_recording(
        time=TIME,
        bin_width_s=WIDTH_S,
        imaging_rate_hz=5.0,
        source="made up",
        events=events[None],
        latents=z[None],
        others={"running_speed": (("trial", "time"), speed[None].astype(np.float32), "cm/s", "running speed")},
        attributes={"paradigm": "spontaneous"},
    )
    part = np.zeros((1, FRAMES), np.int8)
    part[0, FRAMES // 2 :], part[0, 3 * FRAMES // 4 :] = 1, 2
    factors = (z + 0.1 * rng.normal(size=z.shape)) @ rng.normal(size=(latents, latents)) + 3
    run = xr.Dataset(
        {
            "factors": (("trial", "time", "factor"), factors[None]),
            "part": (("trial", "time"), part),
            "source_neuron": (("source",), np.arange(6)),
        },
        {"trial": [0], "time": TIME},
    )
    return recording, run


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5))
def test_multiple_r2_does_not_depend_on_the_gauge(seed, columns):
    rng = np.random.default_rng(seed)
    x = smooth(seed % 1000, columns)
    y = (x @ rng.normal(size=columns) + smooth(seed % 1000 + 5000)[:, 0])[:, None]
    fold, _ = rs.block_folds(TIME)
    r2 = rs.cross_validated_r2(x, y, fold)
    # any invertible affine map, here of condition number up to 1e4
    q, _ = np.linalg.qr(rng.normal(size=(columns, columns)))
    p, _ = np.linalg.qr(rng.normal(size=(columns, columns)))
    mapped = x @ (q * np.geomspace(1, 1e4, columns)) @ p + rng.normal(size=columns) * 10
    assert rs.cross_validated_r2(mapped, y, fold) == pytest.approx(r2, abs=1e-6)
    order = rng.permutation(columns)
    assert rs.cross_validated_r2(x[:, order], y, fold) == pytest.approx(r2, abs=1e-9)
    doubled = np.concatenate([x, -2 * x[:, :1], np.ones((len(x), 1))], axis=1)
    assert rs.cross_validated_r2(doubled, y, fold) == pytest.approx(r2, abs=1e-9)
    # nor on scale and zero of the speed
    assert rs.cross_validated_r2(x, 7 * y - 3, fold) == pytest.approx(r2, abs=1e-9)


def test_single_correlations_depend_on_the_gauge():
    z = smooth(0, 2)
    speed = z[:, 0]
    turned = z @ np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    assert abs(rs.correlation(z[:, 0], speed)) > 0.99 > 0.85 > abs(rs.correlation(turned[:, 0], speed))
    r2 = [rs.multiple_r2(x, speed, TIME, 30)["r2"] for x in (z, turned)]
    assert r2[0] == pytest.approx(r2[1], abs=1e-9)


def test_perfect_and_useless_predictors():
    x = smooth(1, 2)
    fold, _ = rs.block_folds(TIME)
    y = np.stack([x @ [2.0, -1.0] + 3, smooth(2)[:, 0], np.full(FRAMES, 4.0)], axis=1)
    r2 = rs.cross_validated_r2(x, y, fold)
    assert r2[0] == pytest.approx(1) and r2[1] < 0.2 and np.isnan(r2[2])


def test_buffers_belong_to_no_fold_and_blocks_stay_whole():
    fold, blocks = rs.block_folds(TIME, folds=4)
    place = TIME % 12
    assert blocks == 20 and ((fold == -1) == (place > 9.99)).all()
    assert all(len(set(fold[(block == TIME // 12) & (place < 9.99)])) == 1 for block in range(blocks))
    assert set(fold[fold >= 0]) == {0, 1, 2, 3}
    with pytest.raises(UserError, match="at least two blocks"):
        rs.block_folds(np.arange(20) * 0.2)
    # a gap in the session moves no block over it
    gap, _ = rs.block_folds(np.concatenate([TIME[:60], TIME[:60] + 100]))
    assert gap[0] != gap[60]


def test_shifts_begin_beyond_the_autocorrelation():
    y = smooth(3)[:, 0]
    first = rs.first_shift(y)
    centred = y - y.mean()
    at = [(centred[: len(y) - lag] @ centred[lag:]) / (centred @ centred) for lag in (first - 1, first)]
    assert at[0] > rs.DECORRELATED >= at[1]
    copies = rs.shifted(y, 200)
    assert copies.shape == (FRAMES, 200)
    start = int(np.argmax(y))  # a copy's largest value tells how far it was shifted
    lags = (copies.argmax(axis=0) - start) % FRAMES
    assert all(np.array_equal(np.roll(y, lag), copy) for lag, copy in zip(lags, copies.T, strict=True))
    assert min(lags) == first and max(lags) == FRAMES - first and len(set(lags)) == 200
    assert rs.first_shift(np.linspace(0, 1, 100)) == 25 and rs.first_shift(np.ones(100)) == 1


def test_the_shifted_null_is_calibrated_on_independent_smooth_series():
    p = np.array([rs.multiple_r2(smooth(i, 3), smooth(i + 10_000)[:, 0], TIME, 99)["p"] for i in range(120)])
    # more false positives than chance allows with probability 0.001
    for level in (0.05, 0.2):
        assert (p <= level).sum() <= stats.binom.ppf(0.999, len(p), level)
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_a_related_speed_is_found_and_short_or_constant_ones_give_no_p():
    recording, run = session()
    table = rs.running_speed_table(recording, {("cross_encoder", 1): run}, "a", "A", shifts=99)
    whole = table[table["latent"] == rs.ALL].set_index("model")
    assert set(whole.index) == {"cross_encoder", rs.COMPONENTS, rs.TRUTH}
    assert whole.loc["cross_encoder", "p"] == 0.01 and whole.loc["cross_encoder", "r2"] > 0.3
    assert whole.loc[rs.TRUTH, "r2"] > whole.loc["cross_encoder", "r2"]
    assert whole.loc["cross_encoder", "seconds"] == FRAMES * WIDTH_S
    single = table[(table["latent"] != rs.ALL) & (table["model"] == rs.TRUTH)]
    assert single["correlation"].abs().idxmax() == single.index[0]
    still = recording.assign(running_speed=recording["running_speed"] * 0)
    assert rs.running_speed_table(still, {("m", 1): run}, "a", "A", 30)[["r2", "p"]].isna().all(axis=None)
    few = rs.multiple_r2(smooth(0), smooth(1)[:, 0], TIME, shifts=10)
    assert np.isnan(few["p"]) and np.isfinite(few["r2"])


def test_missing_speed_is_left_out():
    recording, run = session()
    speed = recording["running_speed"].copy()
    speed[0, 100:300] = np.nan
    some = rs.running_speed_table(recording.assign(running_speed=speed), {("m", 1): run}, "a", "A", 30)
    assert some["r2"].notna().all() and (some["seconds"] == (FRAMES - 200) * WIDTH_S).all()


def test_without_running_speed_or_with_stimuli_there_is_only_a_header():
    recording, run = session()
    for other in (recording.drop_vars("running_speed"), recording.assign_attrs(paradigm="stimulus")):
        table = rs.running_speed_table(other, {("m", 1): run}, "a", "A")
        assert table.empty and tuple(table.columns) == rs.SPEED_COLUMNS
    table = rs.latent_recovery_table(recording.drop_vars("latents"), {("m", 1): run}, "a", "A")
    assert table.empty and tuple(table.columns) == rs.RECOVERY_COLUMNS


def test_true_latents_are_recovered_up_to_an_affine_map():
    recording, run = session()
    table = rs.latent_recovery_table(recording, {("m", 1): run}, "a", "A")
    mean = table.groupby("model")["r2"].mean()
    assert mean["m"] > 0.95 > mean[rs.COMPONENTS]
    truth = recording["latents"].values[0]
    part = run["part"].values.ravel()
    exact, count = rs.affine_r2(truth @ np.array([[1, 2, 0], [0, 1, 5], [0, 0, 1.0]]) - 4, truth, part)
    assert exact == pytest.approx(1) and count == (part == 2).sum()
    nothing, _ = rs.affine_r2(truth, truth, np.zeros(FRAMES))
    assert np.isnan(nothing).all()


def test_principal_components_span_what_they_should():
    recording, _ = session()
    components = rs.principal_components(recording, np.arange(6), 6, window_s=WIDTH_S)
    x = recording["events"].values[0, :, :6].astype(float)
    z = (x - x.mean(0)) / x.std(0)
    assert np.sort(components.var(axis=0)) == pytest.approx(np.linalg.eigvalsh(np.cov(z.T, bias=True)))
    smoother = rs.principal_components(recording, np.arange(6), 1)
    assert np.abs(np.diff(smoother[:, 0])).mean() / smoother.std() < np.abs(np.diff(components[:, 0])).mean()


def test_runs_of_other_recordings_are_refused():
    recording, run = session()
    with pytest.raises(UserError, match="of this dataset"):
        rs.align(recording, run.assign_coords(trial=[7]))
    with pytest.raises(UserError, match="of this dataset"):
        rs.align(recording, run.assign_coords(time=TIME + 1000))
    with pytest.raises(UserError, match="variable part"):
        rs.align(recording, run.drop_vars("part"))
    short = rs.align(recording, run.isel(time=slice(5, None)))
    assert np.isnan(short.predictors[:5]).all() and (short.part[:5] == 3).all()
    assert np.isfinite(short.predictors[5:]).all()


def test_smoothing_for_display_keeps_means_and_gaps():
    values = smooth(5, 2).T.copy()
    assert rs.display_smoothing(np.full(50, 3.0), WIDTH_S) == pytest.approx(3)
    values[:, 100:110] = np.nan
    shown = rs.display_smoothing(values, WIDTH_S)
    assert np.array_equal(np.isnan(shown), np.isnan(values))
    assert np.nanstd(np.diff(shown)) < np.nanstd(np.diff(values))


def test_what_is_drawn():
    recording, run = session()
    small = run.isel(factor=[0])
    shown = rs.latents_for_display(recording, {("a", 1): run, ("b", 2): small}, longest=500)
    assert shown["latents"].shape == (2, 500, 3) and np.isnan(shown["latents"].values[1, :, 1:]).all()
    whole = rs.latents_for_display(recording, {("a", 1): run})["latents"].values[0]
    assert whole.mean(axis=0) == pytest.approx(0, abs=1e-4) and whole.std(axis=0) == pytest.approx(1, abs=1e-4)
    assert shown["components"].values.tolist() == [3, 1] and shown["running_speed"].size == 500
