"""The search finds what the whole grid finds, counts what it shows, and shares what it says it shares."""

import numpy as np
import pytest
import torch
from fake_probe import make_probe

from calcium_latents.errors import UserError
from calcium_latents.studies.digital_twin.optimal_stimuli import gabor_study as study
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_clusters import ClusterSettings, cluster_optima
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import (
    Counter,
    SearchSettings,
    brute_force,
    coarse_rows,
    rates_of,
    search,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_translation import (
    canvas_cost,
    shared_search,
    translated_rates,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import DifferenceGrid, GaborGrid
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import DifferenceSearchSettings, geometric
from calcium_latents.studies.digital_twin.tuning.tuning_indices import orientation_difference

SHAPE = (20, 22)
SMALL = {"image_shape": SHAPE, "rows_px": (8, 11), "columns_px": (9, 12), "contrasts": (2.0, 4.0)}
SMALL |= {"sizes_px": geometric(6, 1.25, 4), "cycles_per_size": geometric(1, 1.3, 3)}


def test_the_default_grid_is_the_published_one():
    grid = GaborGrid(rows_px=(5, 27), columns_px=(27, 48))
    assert grid.size == 9_326_592
    values = grid.parameters(np.array([[0, 0, 0, 0, 0, 0, 0], np.array(grid.shape) - 1]))
    assert values["size_px"] == pytest.approx([8, 8 * 1.25**7])
    assert values["frequency_cpp"] * values["size_px"] == pytest.approx([1 / 1.3, 1.3**2])
    assert values["contrast"] == pytest.approx([0.125, 4])


def test_images_and_rows_agree():
    grid = GaborGrid(**SMALL)
    rows = np.stack(np.unravel_index(np.arange(0, grid.size, 997), grid.shape), axis=1)
    images = grid.render(grid.parameters(rows))
    assert images.shape == (len(rows), *SHAPE) and images.dtype == np.float32
    assert (np.abs(images).max(axis=(1, 2)) <= grid.parameters(rows)["contrast"] / 2 + 1e-6).all()


def test_an_orientation_beyond_pi_comes_back_with_the_phase_turned():
    grid = GaborGrid(**SMALL)
    row = np.array([[1, 1, 1, 1, 1, grid.orientations, 3]])
    wrapped = grid.wrap(row)
    assert wrapped[0].tolist() == [1, 1, 1, 1, 1, 0, grid.phases - 3]
    before = grid.parameters(grid.wrap(row * [[1, 1, 1, 1, 1, 0, 1]]))
    before["orientation_rad"] = np.array([np.pi])
    assert np.allclose(grid.render(before), grid.render(grid.parameters(wrapped)), atol=1e-5)


def test_neighbours_stay_on_the_grid_and_are_one_step_away():
    grid = GaborGrid(**SMALL)
    corner = np.zeros((1, 7), int)
    for block in grid.BLOCKS:
        moved = grid.neighbours(corner, block)
        assert (moved >= 0).all() and (moved < np.array(grid.shape)).all()
    assert {tuple(row[:2]) for row in grid.neighbours(corner, ("y", "x"))[0]} == {(0, 0), (0, 1), (1, 0), (1, 1)}


@pytest.mark.parametrize("family", ["gabor", "difference"])
def test_the_search_finds_the_best_of_the_whole_grid(family):
    probe, truth = make_probe(10, SHAPE, orthogonal_weight=1.0, surround_weight=1.0)
    if family == "gabor":
        grid, settings = GaborGrid(**SMALL | {"rows_px": (8, 10), "columns_px": (10, 12)}), SearchSettings(size_step=2)
    else:
        grid = DifferenceGrid(image_shape=SHAPE, rows_px=(8, 11), columns_px=(9, 12), contrasts=(-4, -2, 2, 4))
        settings = DifferenceSearchSettings()
    counter = Counter(probe)
    found = search(counter, grid, truth["position_px"], np.arange(10), settings)
    assert counter.images == found.scan_images + found.images.sum() == probe.shown
    whole = brute_force(probe, grid, np.arange(10))
    assert (found.rates <= whole.rates * (1 + 1e-6)).all()
    assert (found.rates >= 0.99 * whole.rates).all() and np.median(found.rates / whole.rates) > 0.9999
    again = rates_of(probe, grid, found.parameters, np.arange(10))
    assert found.rates == pytest.approx(again, rel=1e-5)


def test_the_whole_grid_is_shown_once_and_the_search_costs_a_hundredth():
    probe, truth = make_probe(4, SHAPE)
    grid = GaborGrid(image_shape=SHAPE, rows_px=(7, 12), columns_px=(8, 13), contrasts=(4.0,))
    neurons = study.Neurons(np.arange(4) + 7, np.zeros(4, int), truth["position_px"])
    check = study.check_search(probe, grid, neurons, SearchSettings(), study.CheckSettings(neurons=3, reach_px=2))
    assert list(check.columns) == list(study.CHECK_TABLE) and list(check["neuron"]) == [7, 9, 10]
    assert (check["brute_force_images"] == 5 * 5 * 8 * 4 * 12 * 8).all()
    assert (check["cost_ratio"] < 0.01).all() and (check["rate_ratio"] > 0.98).all()


def test_a_neuron_that_never_responds_is_no_error():
    probe, truth = make_probe(3, SHAPE)
    probe.filters[:, 1] = 0.0
    grid = GaborGrid(**SMALL)
    neurons = study.Neurons(np.arange(3), np.zeros(3, int), truth["position_px"])
    table, _ = study.optima_tables(probe, "model", grid, neurons, SearchSettings(), ClusterSettings())
    silent = table[table["neuron"] == 1]
    assert (silent["rate"] == 0).all() and silent["fraction_of_own"].isna().all()
    assert (table.loc[table["neuron"] != 1, "rate"] > 0).all()


def test_coarse_places_surround_the_neurons_and_are_few():
    grid = GaborGrid(image_shape=(40, 40))
    starts = np.array([[10.0, 10.0], [10.4, 9.7], [30.0, 12.0]])
    rows = coarse_rows(grid, starts, SearchSettings())
    places = np.unique(rows[:, :2], axis=0)
    assert len(places) == 2 and len(rows) == 2 * 3 * 2 * 6 * 4
    values = grid.parameters(rows)
    assert np.abs(values["y_px"][:, None] - starts[:, 0]).min(axis=1).max() <= 1
    assert set(values["contrast"]) == {4.0}


def test_orientation_is_refined_to_a_degree():
    probe, truth = make_probe(12, SHAPE, seed=3)
    grid = GaborGrid(**SMALL)
    own = search(probe, grid, truth["position_px"], np.arange(12), SearchSettings(size_step=2))
    fine = study.refine_orientation(probe, grid, own)
    assert (fine.rates >= own.rates).all()
    error = np.degrees(orientation_difference(fine.parameters["orientation_rad"], truth["orientation_rad"]))
    coarse = np.degrees(orientation_difference(own.parameters["orientation_rad"], truth["orientation_rad"]))
    assert np.median(error) < 1.5 < np.median(coarse)


def test_a_search_in_low_precision_reports_exact_rates():
    class Coarse:
        def __init__(self, probe):
            self.probe, self.image_shape, self.neurons = probe, probe.image_shape, probe.neurons

        def own_rates(self, images, neurons):
            return np.round(self.probe.own_rates(images, neurons), 1)

        def all_rates(self, images):
            return np.round(self.probe.all_rates(images), 1)

    probe, truth = make_probe(6, SHAPE, seed=3)
    grid, neurons = GaborGrid(**SMALL), study.Neurons(np.arange(6), np.arange(6) % 2, truth["position_px"])
    asked = ("model", grid, neurons, SearchSettings(size_step=2), ClusterSettings())
    exact, _ = study.optima_tables(probe, *asked)
    fast, _ = study.optima_tables(probe, *asked, fast=Coarse(probe))
    parameters = {name: fast[name].values for name in ("y_px", "x_px", *study.GaborGrid.COLUMNS) if name in fast}
    rates = probe.own_rates(grid.render(parameters), np.tile(np.arange(6), 2))
    np.testing.assert_allclose(fast["rate"], rates, rtol=1e-5)
    own = fast["stimulus"] == "own"
    assert (fast["rate"][own] > 0.95 * exact["rate"][own]).all()


def test_a_cluster_shares_all_but_place_and_orientation():
    probe, truth = make_probe(12, SHAPE, seed=1)
    clusters = np.arange(12) % 2  # simple and complex neurons
    grid = GaborGrid(**SMALL)
    neurons = study.Neurons(np.arange(12), clusters, truth["position_px"])
    settings = SearchSettings(size_step=2)
    table, stages = study.optima_tables(probe, "model", grid, neurons, settings, ClusterSettings())
    assert list(table.columns) == list(study.GABOR_TABLE) and sum(stages.values()) == probe.shown
    own, shared = (table[table["stimulus"] == name].reset_index(drop=True) for name in ("own", "cluster"))
    for name in ("size_px", "cycles_per_size", "contrast", "phase_rad"):
        assert (shared.groupby("cluster")[name].nunique() == 1).all()
    assert (own[["y_px", "x_px"]] == shared[["y_px", "x_px"]]).all(axis=None)
    turned = np.mod(shared["orientation_rad"] - own["orientation_rad"], np.pi)
    assert np.minimum(turned, np.pi - turned).max() < 1e-9
    assert own["orientation_rad"].between(0, np.pi).all() and (own["fraction_of_own"] == 1).all()
    # simple neurons of phases 0 and 90 degrees cannot share a phase; complex ones do not care
    assert shared.groupby("cluster")["fraction_of_own"].mean()[1] > 0.95
    assert shared["fraction_of_own"].max() <= 1.001


def test_neurons_of_odd_phase_share_a_gabor_by_turning_it():
    """Simple neurons of one odd phase in all directions: their own optima have phases of both signs."""
    rng = np.random.default_rng(5)
    probe, truth = make_probe(10, SHAPE, seed=2)
    truth = truth | {"phase_rad": np.full(10, np.pi / 2), "is_complex": 0, "frequency_cpp": 0.19, "size_px": 8.0}
    truth["position_px"] = np.round(truth["position_px"])
    truth["orientation_rad"] = rng.integers(0, 24, 10) * np.pi / 12
    probe = type(probe)(SHAPE, **truth)
    grid = GaborGrid(image_shape=SHAPE, rows_px=(6, 13), columns_px=(7, 14), contrasts=(4.0,))
    own = search(probe, grid, truth["position_px"], np.arange(10), SearchSettings())
    found = cluster_optima(probe, grid, own, np.arange(10), np.zeros(10, int), ClusterSettings())
    assert (found.rates / own.rates).min() > 0.9


def test_the_cluster_optimum_is_the_best_of_all_shared_parameters():
    probe, truth = make_probe(5, SHAPE, seed=4)
    grid = GaborGrid(**SMALL | {"contrasts": (4.0,), "sizes_px": (6.0, 8.0), "phases": 4})
    own = search(probe, grid, truth["position_px"], np.arange(5), SearchSettings())
    found = cluster_optima(probe, grid, own, np.arange(5), np.zeros(5, int), ClusterSettings(starts=5))
    best = 0.0
    for code in range(2 * 3 * 4):
        rows = own.rows.copy()
        rows[:, [2, 3, 6]] = np.unravel_index(code, (2, 3, 4))
        rates = rates_of(probe, grid, grid.shared(own.parameters, own.rows, rows), np.arange(5))
        best = max(best, float((rates / own.rates).mean()))
    assert (found.rates / own.rates).mean() == pytest.approx(best, rel=1e-5)


def test_members_are_drawn_by_the_seed():
    probe, truth = make_probe(8, SHAPE)
    grid = GaborGrid(**SMALL)
    own = search(probe, grid, truth["position_px"], np.arange(8), SearchSettings())
    asked = (probe, grid, own, np.arange(8), np.zeros(8, int), ClusterSettings(most_members=2))
    first, second = cluster_optima(*asked, seed=1), cluster_optima(*asked, seed=1)
    assert np.array_equal(first.rates, second.rates) and (first.images > 1).sum() == 2


class Convolution(torch.nn.Module):
    """The parts of a twin that a shared scan reads: one valid convolution, so that the border plays no part."""

    def __init__(self, neurons=6, shape=SHAPE):
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.filters = torch.randn(8, 1, 5, 5, generator=random) / 5
        y, x = torch.meshgrid(torch.arange(shape[0] - 4.0), torch.arange(shape[1] - 4.0), indexing="ij")
        centres = 7 + 3 * torch.rand(neurons, 2, generator=random)
        distance = (y - centres[:, 0, None, None]) ** 2 + (x - centres[:, 1, None, None]) ** 2
        self.masks, self.weights = torch.exp(-distance), torch.randn(neurons, 4, 2, generator=random)
        self.bias, self.response_scale = torch.zeros(neurons), torch.linspace(1, 2, neurons)

    def core(self, images):
        return torch.nn.functional.conv2d(images[:, None], self.filters).abs().unflatten(1, (4, 2))


class ConvolutionProbe:
    image_shape, neurons = SHAPE, 6

    def __init__(self):
        self.twin = Convolution()

    def all_rates(self, images):
        return translated_rates(self.twin, images, np.arange(6))[:, :, 0, 0]

    def own_rates(self, images, neurons):
        return self.all_rates(images)[np.arange(len(images)), neurons]


def test_a_moved_mask_reads_the_rate_to_a_moved_image():
    twin, random = Convolution(), np.random.default_rng(0)
    canvas = random.normal(size=(2, SHAPE[0] + 4, SHAPE[1] + 4)).astype(np.float32)
    rates = translated_rates(twin, canvas, np.array([0, 3]))
    assert rates.shape == (2, 2, 5, 5)
    window = canvas[:, 1 : 1 + SHAPE[0], 3 : 3 + SHAPE[1]]
    assert np.allclose(rates[:, :, 1, 3], translated_rates(twin, window, np.array([0, 3]))[:, :, 0, 0], atol=1e-5)


def test_the_shared_scan_finds_the_best_of_the_whole_grid_from_one_place():
    probe = ConvolutionProbe()
    # Gabors small enough to lie within the image at every place
    grid = GaborGrid(**SMALL | {"sizes_px": (4.0, 5.0), "contrasts": (4.0,)})
    settings = SearchSettings(
        place_step=1, size_step=1, frequency_step=1, orientation_step=1, phase_step=1, contrast_step=1, most_rounds=0
    )
    found = shared_search(probe, grid, np.arange(6), settings)
    whole = brute_force(probe, grid, np.arange(6))
    assert found.rates == pytest.approx(whole.rates, rel=1e-3)
    assert found.images.max() <= 2 and found.scan_images == np.ceil(grid.size / 16 * canvas_cost(grid))


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: GaborGrid(sizes_px=(8.0, 8.0)), "sizes_px"),
        (lambda: GaborGrid(rows_px=(5, 99)), "rows_px"),
        (lambda: GaborGrid(phases=1), "phases"),
        (lambda: GaborGrid(margin_px=18), "margin_px"),
        (lambda: SearchSettings(candidates=0), "candidates"),
        (lambda: ClusterSettings(average="median"), "average"),
        (lambda: study.CheckSettings(neurons=0), "neurons"),
    ],
)
def test_wrong_settings_are_named(make, field):
    with pytest.raises(UserError, match=field):
        make()
