"""The solvable ring network with finitely many neurons beside its closed forms (appendix A, B and E, Fig. 1)."""

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.progress import progress
from calcium_latents.seeds import generator
from calcium_latents.simulation.networks.ring_network import (
    RingTrajectory,
    equal_angles,
    initial_state,
    random_angles,
    simulate_exact,
)
from calcium_latents.studies.cross_encoder.solvable_network_parameters import SolvableNetworkParameters
from calcium_latents.theory import gaussian_process, ring

SPACINGS = ("equal", "random")
#: Initial (radius, angle) of the trajectories that are drawn.
STARTS = ((0.1, 0.0), (0.5, 2.4), (1.8, 4.0), (2.2, 1.0))
SHOWN_TURNS, SHOWN_TIMES, SHOWN_NEURONS = 2.5, 400, 200
SHOWN_PAIRS, SHOWN_DRAWS, SHOWN_PHASES = 400, 4, 256
# Deviations from the cycle decay as exp(-t): after so many turns they are below rounding.
SETTLED_TURNS = 6
QUANTILES = 99


def cycle_correlations(run: RingTrajectory) -> np.ndarray:
    """Return the correlations [N, N] of the network's activity over its last whole turn.

    Averages over time are exact: each pattern of activity is weighted with how long it lasts. Neurons that do not
    switch have no correlation (NaN).

    Raises:
        UserError: the run holds no whole turn.
    """
    start, end = last_turn(run)
    weights = run.dwell_times(start, end) / (end - start)
    active = run.active[weights > 0].astype(float)
    weights = weights[weights > 0]
    mean = weights @ active
    covariance = active.T @ (active * weights[:, None]) - np.outer(mean, mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1 / np.sqrt(mean * (1 - mean))
        return covariance * np.outer(scale, scale)


def last_turn(run: RingTrajectory) -> tuple[float, float]:
    """Return when the last whole turn of the latents starts and ends; UserError when there is none."""
    times = run.returns()
    if times.size < 2:
        raise UserError(
            f"ring network: expected at least one whole turn in {run.duration:g} time constants, found none; "
            "the network rests: take more neurons."
        )
    return float(times[-2]), float(times[-1])


def simulate_turns(angles: np.ndarray, turns: float, radius: float = 1.0, phase: float = 0.0) -> RingTrajectory:
    """Simulate the paper's ring of neurons at `angles` [N] (rad) from latents at polar (`radius`, `phase`), for so many
    turns of the infinite network."""
    start = radius * np.array([np.cos(phase), np.sin(phase)])
    # Small networks turn more slowly.
    duration = turns * max(ring.period(), ring.polygon_period(angles.size))
    return simulate_exact(angles, initial_state(angles, start), duration)


def ring_network_box(parameters: SolvableNetworkParameters, seed: int) -> xr.Dataset:
    """Return what Figure 1 shows: simulated ring networks beside the closed forms.

    Dimensions: spacing (equal, random angles), start, time (time constants), latent, neuron, pair, rank, size (number
    of neurons), network. Variables: `latents` and `exact_latents`; `activity` of the equally spaced network from the
    first start; `correlation`, `exact_correlation` and `angular_distance` (rad) of some pairs, with
    `correlation_error_max` and `correlation_error_rms` over all; `eigenvalue` of the correlation matrix / N,
    `finite_eigenvalue` (exact, equal spacing) and `infinite_eigenvalue`; `participation_ratio` of activity and
    `latent_participation_ratio`; and by size, relative errors of the period against 2 pi: `period_error_equal`,
    `period_error_exact`, `period_error_random`, and the radius's deviation over a cycle, `radius_sd_random`.
    """
    angles = {
        "equal": equal_angles(parameters.neurons),
        "random": random_angles(parameters.neurons, generator(seed, "ring", "angles")),
    }
    parts = [_shown(angles), _correlated(angles, generator(seed, "ring", "pairs")), _periods(parameters, seed)]
    box = xr.merge(parts, combine_attrs="drop_conflicts")
    box.attrs = {"neurons": parameters.neurons, "starts": "initial (radius, angle): " + str(STARTS)}
    return box


def _shown(angles: dict[str, np.ndarray]) -> xr.Dataset:
    """Trajectories and a raster to draw."""
    times = np.linspace(0.0, SHOWN_TURNS * ring.period(), SHOWN_TIMES)
    polar = np.array(STARTS)
    initial = polar[:, :1] * np.stack([np.cos(polar[:, 1]), np.sin(polar[:, 1])], axis=-1)
    runs = {
        spacing: [simulate_exact(at, initial_state(at, start), float(times[-1])) for start in initial]
        for spacing, at in angles.items()
    }
    latents = [[run.latents(times) for run in runs[spacing]] for spacing in SPACINGS]
    shown = np.unique(np.linspace(0, angles["equal"].size - 1, SHOWN_NEURONS).astype(int))
    return xr.Dataset(
        {
            "latents": (("spacing", "start", "time", "latent"), np.array(latents)),
            "exact_latents": (("start", "time", "latent"), ring.trajectory(initial, times)),
            "activity": (("time", "neuron"), runs["equal"][0].activity(times)[:, shown]),
        },
        coords={
            "spacing": list(SPACINGS),
            "time": ("time", times, {"units": "time constants"}),
            "neuron_angle": ("neuron", angles["equal"][shown], {"units": "rad"}),
        },
    )


def _correlated(angles: dict[str, np.ndarray], random: np.random.Generator) -> xr.Dataset:
    """Correlations and eigenvalues over a settled turn."""
    neurons = angles["equal"].size
    first, second = random.integers(0, neurons, (2, SHOWN_PAIRS))
    columns: dict[str, list] = {}
    for spacing in SPACINGS:
        at = angles[spacing]
        run = simulate_turns(at, SETTLED_TURNS)
        correlation = cycle_correlations(run)
        exact = ring.pairwise_correlation(at[:, None] - at)
        error = correlation - exact
        eigenvalues = np.linalg.eigvalsh(correlation)[::-1] / neurons
        latents = run.latents(np.linspace(*last_turn(run), 2001)[:-1])
        spread = np.linalg.eigvalsh(np.cov(latents.T, bias=True))
        for name, value in {
            "correlation": correlation[first, second],
            "exact_correlation": exact[first, second],
            "angular_distance": ring.angular_distance(at[first] - at[second]),
            "correlation_error_max": np.abs(error).max(),
            "correlation_error_rms": np.sqrt((error**2).mean()),
            "eigenvalue": eigenvalues,
            "participation_ratio": ring.participation_ratio(eigenvalues),
            "latent_participation_ratio": ring.participation_ratio(spread),
        }.items():
            columns.setdefault(name, []).append(value)
    dims = {"correlation": "pair", "exact_correlation": "pair", "angular_distance": "pair", "eigenvalue": "rank"}
    variables = {
        name: (("spacing", dims[name]) if name in dims else ("spacing",), np.array(values))
        for name, values in columns.items()
    }
    variables["finite_eigenvalue"] = ("rank", ring.finite_eigenvalues(neurons))
    variables["infinite_eigenvalue"] = ("rank", ring.infinite_eigenvalues(neurons))
    return xr.Dataset(variables, coords={"spacing": list(SPACINGS), "rank": np.arange(1, neurons + 1)})


def _periods(parameters: SolvableNetworkParameters, seed: int) -> xr.Dataset:
    """Relative errors of the period, 2 pi in the infinite network, by number of neurons."""
    sizes, networks = parameters.network_sizes, parameters.random_networks
    infinite = ring.period()
    equal, exact = np.empty(len(sizes)), np.empty(len(sizes))
    random, spread = np.full((2, len(sizes), networks), np.nan)
    for index, size in enumerate(progress(sizes, "periods")):
        start, end = last_turn(simulate_turns(equal_angles(size), SETTLED_TURNS))
        equal[index] = (end - start) / infinite - 1
        exact[index] = ring.polygon_period(size) / infinite - 1
        for network in range(networks):
            at = random_angles(size, generator(seed, "ring", "periods", size, network))
            # Half the settled turns leave 1e-7 of a deviation that is itself of order 1/sqrt(N).
            run = simulate_turns(at, SETTLED_TURNS / 2 + 0.2)
            if run.returns().size >= 2:  # a small network may come to rest: NaN
                start, end = last_turn(run)
                random[index, network] = (end - start) / infinite - 1
                latents = run.latents(np.linspace(start, end, 201))
                spread[index, network] = np.hypot(*latents.T).std()
    return xr.Dataset(
        {
            "period_error_equal": ("size", equal),
            "period_error_exact": ("size", exact),
            "period_error_random": (("size", "network"), random),
            "radius_sd_random": (("size", "network"), spread),
        },
        coords={"size": list(sizes)},
    )


def gaussian_process_box(parameters: SolvableNetworkParameters, seed: int) -> xr.Dataset:
    """Return random readouts of the ring beside the Gaussian process that they approach (appendix E).

    Dimensions: phase and other (rad), draw, shown_phase, readout_size (M), quantile. Variables: `example` (readouts of
    the largest M) and `example_process` (of the limit), `covariance` over draws and `exact_covariance`,
    `printed_covariance` (the appendix's); by M, `quantiles` of g(0) / sd, `kurtosis` (excess) with
    `kurtosis_standard_error` and `exact_kurtosis`, and `antisymmetry_error`, the largest
    |g(phi) + g(phi + pi) - sum w / sqrt(M)|.
    """
    count, draws = parameters.phases, parameters.draws
    sizes = sorted({*parameters.readout_sizes, parameters.readout_neurons})
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    quantiles, kurtosis, errors, asymmetry = [], [], [], []
    for size in progress(sizes, "readouts"):
        values, sums = gaussian_process.draw_readouts(
            draws, size, count, generator(seed, "gaussian process", "readouts", size)
        )
        quantiles.append(np.quantile(values[:, 0] / np.sqrt(0.5), levels))
        # The variance is known (1/2), which leaves the fourth moment alone to estimate.
        fourth = (values**4).mean(axis=1) / 0.25
        kurtosis.append(fourth.mean() - 3)
        errors.append(fourth.std(ddof=1) / np.sqrt(draws))
        asymmetry.append(np.abs(values[:, : count // 2] + values[:, count // 2 :] - sums[:, None]).max())
    largest = generator(seed, "gaussian process", "example")
    example, _ = gaussian_process.draw_readouts(SHOWN_DRAWS, sizes[-1], SHOWN_PHASES, largest)
    process = gaussian_process.draw_process(SHOWN_DRAWS, SHOWN_PHASES, largest)
    phases = gaussian_process.phase_grid(count)
    difference = phases[:, None] - phases
    return xr.Dataset(
        {
            "example": (("draw", "shown_phase"), example),
            "example_process": (("draw", "shown_phase"), process),
            # pyrefly: ignore[unbound-name]  # the loop runs at least once
            "covariance": (("phase", "other"), values.T @ values / draws),
            "exact_covariance": (("phase", "other"), gaussian_process.covariance(difference)),
            "printed_covariance": (("phase", "other"), gaussian_process.printed_covariance(difference)),
            "quantiles": (("readout_size", "quantile"), np.array(quantiles)),
            "kurtosis": ("readout_size", np.array(kurtosis)),
            "kurtosis_standard_error": ("readout_size", np.array(errors)),
            "exact_kurtosis": ("readout_size", np.array([gaussian_process.marginal_kurtosis(size) for size in sizes])),
            "antisymmetry_error": ("readout_size", np.array(asymmetry)),
        },
        coords={
            "phase": ("phase", phases, {"units": "rad"}),
            "other": ("other", phases, {"units": "rad"}),
            "shown_phase": ("shown_phase", gaussian_process.phase_grid(SHOWN_PHASES), {"units": "rad"}),
            "readout_size": sizes,
            "quantile": levels,
        },
        attrs={"draws": draws},
    )
