"""Small made-up tables of the digital twin's second scan and of its scores, in the form that the commands write."""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import FOLDER
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin import response_scores as scores
from calcium_latents.studies.digital_twin.second_scan import gabor_selection as selection
from calcium_latents.studies.digital_twin.second_scan import suboptimal_curves as suboptimal
from calcium_latents.studies.digital_twin.second_scan.size_tuning_agreement import agreement_table

EXPECTED_TEXT = {
    "digital_twin_figure5": [
        "model, same Gabors (“mouse–model”)",
        "model, own optimal Gabors (“mouse–optimal”)",
        "noise-free curve (ceiling)",
        "each other neuron's curve (null)",
        "Poisson GLM, same Gabors (baseline)",
        "wins over null +",
        "20 Gabors take to 50 %: chosen",
        "(paper: 75 % to 50 %)",
        "paper, about 70 %",
        "other neurons' optima (null)",
        "optimum",
        "20: ",
        "bootstrap over neurons",
        "5 sizes × 10 repeats",
    ],
    "digital_twin_scores": [
        "digital twin",
        "Poisson GLM",
        "shuffled images",
        "jackknife oracle",
        "single-trial correlation",
        "twin wins +0.",
        "twin ties",
        "twin loses −0.",
        "complex",
        "ON, OFF",
        "animal 2",
        "paper (mouse), 0.69",
        "2 seeds",
        "bootstrap over neurons",
    ],
}
PAPER = {"paper": [FOLDER / "digital_twin.yaml"]}
NEURONS, SHAPE = 120, (26, 26)
SIZES = 8 * 1.65 ** np.arange(5) * 0.6
PARAMETERS = selection.ScanParameters(
    sizes_px=(6.0, 9.0), cycles_per_size=(1.0, 1.5), contrasts=(1.0, 2.0), compared=40
)
#: data set -> (twin's advantage over the GLM, whether it is simulated)
DATASETS = {
    "dead leaves": (0.18, True),
    "dependent types": (0.004, True),
    "photographs": (0.1, True),
    "mouse": (-0.08, False),
}


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"size_tuning": size_tuning(), "curves": curves(), **gabors()}
    scan = {}
    for name, table in tables.items():
        scan[name] = [folder / f"{name}.csv"]
        table.to_csv(scan[name][0], index=False)
    files = []
    for number, name in enumerate(DATASETS):
        files.append(folder / f"scores-{number}.csv")
        score_table(name).to_csv(files[-1], index=False)
    return {"digital_twin_figure5": scan | PAPER, "digital_twin_scores": {"scores": files} | PAPER}


def size_curve(sizes: np.ndarray, optimum: np.ndarray, suppression: np.ndarray) -> np.ndarray:
    """Rate [neuron, size]: growth to an optimal size, then suppression."""
    grown = 1 - np.exp(-((sizes / optimum[:, None]) ** 2))
    return 6 * grown * (1 - suppression[:, None] * (1 - np.exp(-((sizes / (2.5 * optimum[:, None])) ** 2))))


def size_tuning() -> pd.DataFrame:
    """Return a size_tuning.csv: the model suppresses less than the neurons do."""
    rng = generator(0, "fake_digital_twin_scan", "size_tuning")
    optimum, suppression = rng.uniform(4, 9, NEURONS), rng.choice([0.1, 0.9], NEURONS)
    truth = size_curve(SIZES, optimum, suppression)
    model = size_curve(SIZES, optimum * rng.lognormal(0, 0.15, NEURONS), 0.6 * suppression)
    optimal = size_curve(SIZES, optimum * rng.lognormal(0, 0.3, NEURONS), 0.6 * suppression)
    glm = np.cumsum(rng.uniform(0, 1, (NEURONS, 5)), axis=1)
    responses = rng.poisson(truth[:, None], (NEURONS, 10, 5))
    predictions = {"mouse-model": model, "mouse-optimal": optimal, "poisson_glm": glm}
    best = rng.integers(1, 21, NEURONS)
    fraction = rng.uniform(0.15, 1.05, NEURONS)
    return agreement_table(np.arange(NEURONS), responses, predictions, best, fraction, truth=truth, seed=1)


def curves() -> pd.DataFrame:
    """Return a scan_curves.csv: the weaker the Gabor, the less its curve looks like the optimum's."""
    rng = generator(0, "fake_digital_twin_scan", "curves")
    sizes, contrasts = np.array(PARAMETERS.curve_sizes_px), np.array(PARAMETERS.curve_contrasts)
    rows = []
    for neuron in range(40):
        optimum, suppression = rng.uniform(10, 25), rng.choice([0.2, 0.95])
        for target in (*PARAMETERS.fractions, suboptimal.OPTIMAL):
            off = 1 - target
            shape = size_curve(sizes, np.array([optimum * (1 + off * rng.normal())]).clip(4), np.array([suppression]))[
                0
            ]
            shape = shape * target + 0.3 * off * rng.normal(size=len(sizes))
            fraction = 1.0 if target == 1 else target + 0.08 * rng.normal()
            for contrast in contrasts if neuron < 5 else contrasts[-1:]:
                rate = np.maximum(shape, 0) * contrast / (1 + contrast)
                about = {"neuron": neuron, "example": int(neuron < 5), "target": target, "fraction_of_own": fraction}
                about |= {"contrast": contrast, "highest": int(contrast == contrasts[-1])}
                rows += [{**about, "size_px": size, "rate": value} for size, value in zip(sizes, rate, strict=True)]
    return pd.DataFrame(rows)[list(suboptimal.CURVE_COLUMNS)]


def gabors() -> dict[str, pd.DataFrame]:
    """Return a scan_coverage.csv and a scan_gabors.csv of neurons tuned to orientation, phase and size."""
    rng = generator(0, "fake_digital_twin_scan", "gabors")
    grid = selection.centre_grid(SHAPE, PARAMETERS)
    orientation, phase = rng.uniform(0, np.pi, NEURONS), rng.uniform(0, 2 * np.pi, NEURONS)
    rates = np.exp(2 * (np.cos(2 * (grid["orientation_rad"].to_numpy()[:, None] - orientation)) - 1))
    rates *= 1 + rng.uniform(0, 1, NEURONS) * np.cos(grid["phase_rad"].to_numpy()[:, None] - phase)
    rates *= grid["contrast"].to_numpy()[:, None] * rng.lognormal(0, 0.3, (len(grid), NEURONS))
    fractions = selection.fractions_of_own(rates, 1.1 * rates.max(axis=0))
    greedy = selection.choose_greedily(fractions, 20, 0.5)
    chosen = {selection.GREEDY: greedy, selection.SINGLY: selection.choose_one_by_one(fractions, 20, 0.5)}
    return {
        "coverage": selection.coverage_table(fractions, grid, chosen, PARAMETERS, seed=1),
        "scan_gabors": selection.chosen_table(fractions, grid, greedy, 0.5),
    }


def score_table(dataset: str) -> pd.DataFrame:
    """Return a scores.csv of two seeds of the twin and one of the GLM."""
    advantage, simulated = DATASETS[dataset]
    rng = generator(0, "fake_digital_twin_scan", dataset)
    types = np.array(["simple", "simple SS", "complex", "complex COI", "ON", "OFF"])
    about = pd.DataFrame({"neuron": np.arange(NEURONS), "animal": np.arange(NEURONS) // 40})
    about["neuron_type"] = types[rng.integers(0, 6, NEURONS)] if simulated else ""
    is_complex = about["neuron_type"].str.startswith("complex")
    ceiling = rng.beta(12, 5, NEURONS)
    linear = 0.75 * ceiling - (0.1 * is_complex if simulated else 0) - 0.05 * rng.uniform(size=NEURONS)
    parts = []
    runs = [(scores.TWIN, 1), (scores.TWIN, 2), (scores.LINEAR, 1)]
    for method, seed in [*runs, (scores.SHUFFLED, 1), (scores.SHUFFLED, 2)]:
        single = linear + (advantage if method == scores.TWIN else 0) + 0.02 * rng.normal(size=NEURONS)
        if method == scores.SHUFFLED:
            single = 0.05 * rng.normal(size=NEURONS)
        part = about.assign(dataset=dataset, label=dataset, method=method, seed=seed, images=100, repeats=10.0)
        part = part.assign(single_trial=single, oracle=0.95 * ceiling, conservative_oracle=1.02 * ceiling)
        part = part.assign(fraction_of_oracle=single / part["oracle"], explainable_variance=0.8, seen_drive=5.0)
        part = part.assign(maximum_correlation=0.9, correlation_to_mean=1.1 * single)
        parts.append(part.assign(correlation_to_truth=1.2 * single if simulated else np.nan))
    return pd.concat(parts)[list(scores.COLUMNS)]
