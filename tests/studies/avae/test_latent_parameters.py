"""Correlations of latents with parameters: NumPy's, within groups, their null, and edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.studies.avae.latent_parameters import COLUMNS, correlations


def table(latents, parameters, groups, permutations=40, seed=0):
    found = correlations(latents, parameters, groups, np.random.default_rng(seed), permutations)
    assert list(found.columns) == list(COLUMNS)
    return found.set_index(["latent", "parameter"])


def test_r_is_pearsons_and_within_r_the_partial_correlation_given_the_group():
    rng = np.random.default_rng(1)
    groups = np.repeat(["RS", "IB", "CH"], 30)
    z, a, v0 = rng.normal(size=(90, 4)), rng.normal(size=90), rng.normal(size=90)
    z[:, 0] += a
    found = table(z, {"a": a, "v0": v0}, groups)
    dummies = (groups[:, None] == np.unique(groups)).astype(float)

    def residual(y):
        return y - dummies @ np.linalg.lstsq(dummies, y, rcond=None)[0]

    for latent in range(4):
        for name, value in (("a", a), ("v0", v0)):
            row = found.loc[latent + 1, name]
            assert row["r"] == pytest.approx(np.corrcoef(z[:, latent], value)[0, 1])
            assert row["within_r"] == pytest.approx(np.corrcoef(residual(z[:, latent]), residual(value))[0, 1])
            assert row["neurons"] == 90
    assert found.loc[(1, "a"), "r"] > found.loc[(1, "a"), "null_upper"]


def test_a_difference_between_groups_alone_vanishes_within_groups():
    rng = np.random.default_rng(2)
    groups = np.repeat([0, 1, 2], 200)
    means = np.array([-65.0, -55.0, -50.0])[groups]
    v0, z = means + rng.normal(size=600), (means + rng.normal(size=600))[:, None]
    found = table(z, {"v0": v0}, groups).loc[1, "v0"]
    assert found["r"] > 0.95 and abs(found["within_r"]) < 0.12


def test_null_is_of_the_largest_of_all_latents():
    rng = np.random.default_rng(3)
    value, groups = rng.normal(size=400), np.zeros(400)
    z = rng.normal(size=(400, 16))
    one = table(z[:, :1], {"a": value}, groups, 400)["null_upper"].iloc[0]
    many = table(z, {"a": value}, groups, 400)["null_upper"].iloc[0]
    # normal r with standard deviation 1/sqrt(n): two-sided 95 % quantile of one, and of the largest of 16
    assert one == pytest.approx(1.96 / 20, rel=0.15) and many == pytest.approx(2.95 / 20, rel=0.15)


@given(st.integers(3, 12), st.integers(1, 4), st.integers(0, 99), st.booleans())
@settings(max_examples=50, deadline=None)
def test_signs_scales_and_shifts_change_signs_only(neurons, groups, seed, constant):
    rng = np.random.default_rng(seed)
    z, a = rng.normal(size=(neurons, 2)), rng.normal(size=neurons)
    labels = rng.integers(0, groups, neurons)
    if constant:
        z[:, 1] = 4.0
    one = table(z, {"a": a}, labels)
    other = table(z * [-2.0, 8.0] + [1, 0], {"a": 4 * a}, labels)
    np.testing.assert_allclose(one["r"] * [-1, 1], other["r"], atol=1e-9)
    np.testing.assert_allclose(one["within_r"] * [-1, 1], other["within_r"], atol=1e-6)
    np.testing.assert_allclose(one["null_upper"], other["null_upper"], atol=1e-9)
    assert one["r"].isna().tolist() == [False, constant]
    assert (one[["r", "within_r"]].abs().fillna(0) <= 1 + 1e-9).all().all()


def test_neurons_without_values_are_left_out_and_too_few_are_named():
    rng = np.random.default_rng(4)
    z, a = rng.normal(size=(20, 2)), rng.normal(size=20)
    holes = z.copy()
    holes[3, 1], b = np.nan, a.copy()
    b[5] = np.nan
    keep = np.setdiff1d(np.arange(20), [3, 5])
    found = table(holes, {"a": b}, np.zeros(20))
    expected = table(z[keep], {"a": a[keep]}, np.zeros(18))
    np.testing.assert_allclose(found["r"], expected["r"])
    assert (found["neurons"] == 18).all()
    with pytest.raises(UserError, match="three neurons, found 2"):
        table(z[:2], {"a": a[:2]}, np.zeros(2))


def test_neurons_alone_in_their_group_leave_nothing_within_groups():
    rng = np.random.default_rng(5)
    found = table(rng.normal(size=(9, 1)), {"a": rng.normal(size=9)}, np.arange(9))
    assert found["within_r"].isna().all() and found["r"].notna().all()
