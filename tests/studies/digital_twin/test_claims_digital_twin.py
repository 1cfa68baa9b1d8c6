"""Claims of the digital-twin study: every status can be reached, absent tables are honest, data sets are kept apart."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from calcium_latents.claims.table import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, claims_table
from calcium_latents.studies.digital_twin.tuning import neuron_properties as tuning
from calcium_latents.studies.digital_twin.tuning.cluster_tests import cluster_tests
from calcium_latents.studies.digital_twin.tuning.property_independence import CODE, Settings, study_independence

STUDY = {"digital_twin": "calcium_latents.studies.digital_twin.claims"}
NEURONS = 240
FAST = Settings(permutations=200, bootstraps=100)


def claims(**tables):
    found = claims_table({"digital_twin": tables}, STUDY).set_index("claim")
    return found.set_axis(found.index.str.removeprefix("digital-twin-"))


def scores(twin=0.45, glm=0.3, truth=0.9, dataset="built", oracle=0.6):
    rng = np.random.default_rng(0)
    rows = []
    for method, mean in (("digital_twin", twin), ("poisson_glm", glm), ("shuffled images", 0.0)):
        single = mean + 0.02 * rng.normal(size=NEURONS)
        rows.append(pd.DataFrame({"neuron": np.arange(NEURONS), "method": method, "single_trial": single}))
        rows[-1]["correlation_to_truth"] = truth
    return pd.concat(rows).assign(dataset=dataset, label=dataset, seed=1, oracle=oracle)


def draw(dependent=False, linked=0.0, seed=0):
    """Properties of neurons in clusters by type: independent or not, and a non-linearity that sums them."""
    rng = np.random.default_rng(seed)
    bits = np.array(np.unravel_index(np.arange(NEURONS) % 8, (2, 2, 2))).T
    if dependent:
        bits[:, 2] = np.where(rng.random(NEURONS) < 0.9, bits[:, 1], bits[:, 2])
    table = pd.DataFrame(0.1 + 0.5 * bits + 0.05 * rng.normal(size=bits.shape), columns=list(CODE))
    table["nonlinearity"] = 1 + bits.sum(axis=1) + 0.3 * rng.normal(size=NEURONS)
    table["orientation_selectivity"] = 0.5 + linked * (bits[:, 0] + bits[:, 2]) + 0.1 * rng.normal(size=NEURONS)
    return table.assign(cluster=bits @ [4, 2, 1]), pd.DataFrame(bits * 1.0, columns=list(CODE)).assign(
        cluster=bits @ [4, 2, 1]
    )


@cache
def independence(dependent=False, dataset="built", simulated=True, linked=0.15, kept=8):
    table, design = draw(dependent, linked)
    if linked:  # the paper's neurons: non-linearity does not follow orientation selectivity, as two of its parts do
        slope, shift = np.polyfit(table["orientation_selectivity"], table["nonlinearity"], 1)
        table["nonlinearity"] -= slope * table["orientation_selectivity"] + shift
    known, clusters = pd.Series(True, table.index), pd.Index(range(8))
    good = pd.Series(np.arange(8) < kept, clusters)
    subsets = {"all": {"neurons": known, "clusters": pd.Series(True, clusters)}}
    subsets["gabor-like"] = {"neurons": known, "clusters": good}
    sources = {"model": table}
    if simulated:
        subsets["gabor cells"] = subsets["all"]
        sources |= {"truth": table, "design": design}
    return study_independence(sources, subsets, dataset, dataset, FAST)


@cache
def cluster_table(effect=1.0):
    table, _ = draw()
    rng = np.random.default_rng(2)
    mixed = table.assign(cluster=rng.permutation(table["cluster"])) if not effect else table
    for name in tuning.PROPERTIES:
        shift = effect * (mixed["cluster"] - 3.5)
        mixed[name] = shift.where(mixed["cluster"] > 0, 20.0 * effect) + rng.normal(size=NEURONS)
    return cluster_tests(mixed, "built", "built")


def alignment(aligned=0.85, raw=0.35, pure=0.99, weights=0.6, published=0.8):
    """The chosen method is the Fourier shift at 6 in the metric of drives."""
    rows = []
    for metric, best in (("drive", aligned), ("weights", weights)):
        for method, temperature, ari in (
            ("none", np.nan, raw),
            ("gradient (published)", 1.25, published if metric == "weights" else 0.9),
            ("Fourier shift", 3.0, 0.95),
            ("Fourier shift", 6.0, best),
        ):
            chosen = int((metric, method, temperature) == ("drive", "Fourier shift", 6.0))
            for clusters, purity in ((10, 0.8), (20, pure if chosen else 1.0)):
                rows.append({"method": method, "metric": metric, "temperature": temperature, "clusters": clusters})
                rows[-1] |= {"chosen": chosen, "ari": ari, "homogeneity": purity}
                rows[-1] |= {"ari_lower": ari - 0.03, "ari_upper": ari + 0.03}
    return pd.DataFrame(rows).assign(dataset="built")


def gabors(fraction=0.9):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"neuron": np.arange(NEURONS), "source": "model", "stimulus": "cluster"})
    own = table.assign(stimulus="own", fraction_of_own=1.0)
    return pd.concat([table.assign(fraction_of_own=fraction + 0.02 * rng.normal(size=NEURONS)), own])


def meis(fraction=0.65):
    return pd.DataFrame({"cluster": range(8), "neurons": 30, "fraction_of_own": fraction, "null": 0.2})


def coverage(share=0.8):
    shares = np.arange(1, 101) / 100
    tables = [
        pd.DataFrame({"gabors": n, "neuron_share": shares, "fraction_of_own": np.where(shares <= s, 0.6, 0.4)})
        for n, s in ((1, 0.2), (20, share))
    ]
    random = tables[1].assign(selection="random", fraction_of_own=np.where(shares <= 0.3, 0.6, 0.1))
    return pd.concat([*(table.assign(selection="greedy") for table in tables), random])


def size_tuning(fraction=0.75):
    rng = np.random.default_rng(0)
    rows = []
    for threshold in (0.25, 0.5):
        for curve, mean in (("mouse-model", fraction), ("mean curve", 0.5)):
            oracle = rng.uniform(0.3, 0.6, 60)
            values = {"correlation": mean * oracle + 0.01 * rng.normal(size=60), "oracle": oracle}
            rows.append(pd.DataFrame({"neuron": range(60), "threshold": threshold, "curve": curve, **values}))
    return pd.concat(rows)


def indices(gain=0.9, noise=0.05, turned=1.0, contrast=0.05):
    """Model's indices are the true ones times a gain, with noise; orientations are off by `turned` degrees."""
    rng = np.random.default_rng(0)
    true = {name: rng.uniform(0, 0.8, NEURONS) for name in ("phase_selectivity", *CODE[1:])}
    angle = rng.uniform(0, np.pi, NEURONS)
    rows = []
    for source, factor, error in (("truth", 1.0, 0.0), ("model", gain, noise)):
        table = {name: factor * value + error * rng.normal(size=NEURONS) for name, value in true.items()}
        table["contrast_suppression"] = table["suppression"] + contrast * rng.normal(size=NEURONS)
        off = np.deg2rad(turned) * rng.choice([-1, 1], NEURONS) if source == "model" else 0
        table["preferred_orientation_rad"] = (angle + off) % np.pi
        rows.append(pd.DataFrame(table).assign(source=source, neuron=np.arange(NEURONS), stimulus="cluster"))
    table = pd.concat(rows).assign(orientation_selectivity=0.5)
    return pd.concat([table, table.assign(stimulus="own", suppression=9.0)])


@pytest.fixture(scope="module")
def good():
    pairs, counts = independence()
    tables = {"scores": scores(), "alignment": alignment(), "gabors": gabors(), "indices": indices()}
    tables |= {"cluster_tests": cluster_table(), "independence": pairs, "combinations": counts, "meis": meis()}
    return claims(**tables, scan_coverage=coverage(), size_tuning=size_tuning())


def test_without_tables_nothing_is_claimed():
    found = claims()
    assert (found["status"] == NOT_TESTED).all() and len(found) > 25 and found["ours"].isna().all()
    empty = claims(scores=scores().iloc[:0], alignment=alignment().assign(ari=np.nan), meis=meis(np.nan))
    assert (empty["status"] == NOT_TESTED).all()


def test_what_holds_is_reproduced(good):
    not_so = good[good["status"] != REPRODUCED]
    # modes are counted by eye, and what a simulation was given says nothing of mice
    built = {"single-trial-built", "fraction-of-oracle-built", "combinations", "twenty-gabors", "size-tuning"}
    built |= {name for name in good.index if name.startswith("r-") and name != "r-as-true"}
    assert set(not_so.index) == {"modes"} | built and (not_so["status"] == NOT_TESTED).all()
    assert good.loc[sorted(built), "reason"].str.contains("simulated").all() and good.loc[list(built), "ours"].all()
    assert good.loc["fraction-of-oracle-built", "ours"] == pytest.approx(0.75, abs=0.01)
    assert good.loc["better-than-glm-built", "ours"] == pytest.approx(0.15, abs=0.01)
    assert good.loc["clusters-differ-on-one", "ours"] == 1 and good.loc["combinations", "ours"] == 8
    assert good.loc["ari-chosen", "ours"] == 0.85 and good.loc["ari-published", "ours"] == 0.8
    for words in ("drive, Fourier shift at T 6; without alignment 0.35", "weights, Fourier shift at T 6: 0.6"):
        assert words in good.loc["ari-chosen", "reason"]
    assert "weights, gradient (published) at T 1.25: 0.8" in good.loc["ari-chosen", "reason"]
    assert good.loc["twenty-gabors", "ours"] == 0.8 and "random 0.3" in good.loc["twenty-gabors", "reason"]
    assert good.loc["orientation-error", "ours"] == pytest.approx(1.0)
    assert good.loc["effect-size-suppression", "ours"] == pytest.approx(0.9, abs=0.03)
    assert good.loc["recovered-suppression", "lower"] < good.loc["recovered-suppression", "ours"]
    assert "true neurons" in good.loc["r-nonlinearity-suppression", "reason"]


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("fraction-of-oracle-built", {"scores": scores(twin=0.3, truth=np.nan)}),
        ("better-than-glm-built", {"scores": scores(glm=0.46)}),
        ("truth-built", {"scores": scores(truth=0.7)}),
        ("single-trial-built", {"scores": scores(twin=0.35, truth=np.nan)}),
        ("clusters-differ-on-one", {"cluster_tests": cluster_table(0.0)}),
        ("clusters-differ-on-all", {"cluster_tests": cluster_table(0.0)}),
        ("ari-chosen", {"alignment": alignment(aligned=0.7)}),
        ("ari-chosen", {"alignment": alignment(raw=0.6)}),
        ("ari-published", {"alignment": alignment(published=0.7)}),
        ("homogeneity", {"alignment": alignment(pure=0.9)}),
        ("cluster-mei", {"meis": meis(0.4)}),
        ("cluster-mei-over-null", {"meis": meis(0.2)}),
        ("cluster-gabor", {"gabors": gabors(0.7)}),
        ("twenty-gabors", {"scan_coverage": coverage(0.6)}),
        ("size-tuning", {"size_tuning": size_tuning(0.4)}),
        ("suppression-and-contrast", {"indices": indices(contrast=1.0)}),
        ("recovered-phase-selectivity", {"indices": indices(noise=0.2)}),
        ("recovered-cross-orientation-inhibition", {"indices": indices(noise=0.6)}),
        ("effect-size-suppression", {"indices": indices(gain=0.3)}),
        ("orientation-error", {"indices": indices(turned=8.0)}),
    ],
)
def test_each_claim_can_fail(name, tables):
    row = claims(**tables).loc[name]
    assert row["status"] == NOT_REPRODUCED and np.isfinite(row["ours"])


def test_claims_on_correlations_can_fail():
    pairs, counts = independence(linked=0.0, simulated=False)
    found = claims(independence=pairs, combinations=counts)
    assert found.loc["r-orientation-phase-invariance", "status"] == NOT_REPRODUCED
    flat = pairs.assign(r=0.0, lower=-0.1, upper=0.1)
    assert claims(independence=flat).loc["r-nonlinearity-suppression", "status"] == NOT_REPRODUCED
    linked, _ = independence(dependent=True, simulated=False)
    name = "r-suppression-cross-orientation-inhibition"
    assert claims(independence=linked).loc[name, "status"] == NOT_REPRODUCED
    for lower, upper, status in ((0.02, 0.08, REPRODUCED), (-0.3, 0.2, NOT_TESTED), (0.1, 0.3, NOT_REPRODUCED)):
        some = pairs.assign(r=(lower + upper) / 2, lower=lower, upper=upper)
        assert claims(independence=some).loc[name, "status"] == status
    known, _ = independence()
    own = (known["source"] == "model") & (known["property_a"] == "suppression")
    row = claims(independence=known.assign(r=known["r"].where(~own, known["r"] - 0.5))).loc["r-as-true"]
    assert row["status"] == NOT_REPRODUCED and row["ours"] == pytest.approx(0.5)


def test_what_a_null_reaches_as_well_is_not_tested():
    row = claims(meis=meis(0.9).assign(null=0.8)).loc["cluster-mei"]
    assert row["status"] == NOT_TESTED and row["ours"] == 0.9 and "tests nothing" in row["reason"]
    curves = size_tuning()
    others = curves[curves["curve"] == "mouse-model"].assign(curve="other neurons")
    row = claims(size_tuning=pd.concat([curves, others])).loc["size-tuning"]
    assert row["status"] == NOT_TESTED and "tests nothing" in row["reason"]


def test_nothing_is_claimed_where_repeats_do_not_agree_or_an_index_is_constant():
    rng = np.random.default_rng(0)
    found = claims(scores=scores(0.0, 0.0, np.nan, oracle=rng.normal(0, 0.05, 3 * NEURONS)))
    names = [f"{name}-built" for name in ("single-trial", "fraction-of-oracle", "better-than-glm")]
    assert (found.loc[names, "status"] == NOT_TESTED).all()
    assert found.loc[names, "reason"].str.contains("do not agree").all()
    assert np.isnan(found.loc["fraction-of-oracle-built", "ours"])
    table = indices()
    flat = table.assign(contrast_suppression=table["contrast_suppression"].where(table["source"] != "truth", 0.0))
    row = claims(indices=flat).loc["suppression-and-contrast"]
    assert row["status"] == NOT_TESTED and "no true neuron" in row["reason"]


def test_combinations_that_are_missing_and_undecided_populations():
    _, counts = independence(kept=3, simulated=False)
    row = claims(combinations=counts).loc["combinations"]
    assert row["status"] == NOT_REPRODUCED and row["ours"] == 3 and "model neurons 8" in row["reason"]
    unsure = counts.assign(decision=counts["decision"].where(counts["source"] != "model", "undecided"))
    assert claims(combinations=unsure).loc["independent-built", "status"] == NOT_TESTED
    wrong = counts.assign(decision=counts["decision"].where(counts["source"] != "model", "weakly dependent"))
    assert claims(combinations=wrong).loc["independent-built", "status"] == NOT_REPRODUCED


def test_dependent_populations_are_a_control_and_not_the_main_data_set():
    parts = [independence(True, "linked"), independence(), independence(False, "scenes", False)]
    pairs, counts = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    performance = pd.concat([scores(dataset="linked"), scores(), scores(0.43, truth=np.nan, dataset="scenes")])
    found = claims(scores=performance, independence=pairs, combinations=counts)
    for name in ("linked", "built"):
        assert "built in as" in found.loc[f"independent-{name}", "statement"]
    assert "built in" not in found.loc["independent-scenes", "statement"]
    assert (found.loc[["independent-linked", "independent-built", "independent-scenes"], "status"] == REPRODUCED).all()
    missed = counts.assign(decision=counts["decision"].where(counts["source"] != "model", "independent"))
    assert claims(combinations=missed).loc["independent-linked", "status"] == NOT_REPRODUCED
    # the population with independent properties answers for the paper's claims, whatever comes first
    assert found.loc["combinations", "reason"].startswith("built")
    assert found.loc["r-suppression-cross-orientation-inhibition", "reason"].startswith("built: simulated")
    assert found.loc["single-trial-scenes", "status"] == REPRODUCED
    assert found.loc["truth-scenes", "status"] == NOT_TESTED
