"""Claims of the AVAE paper: every status can be reached, absent tables are honest, the choice of data sets is right."""

import io
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from calcium_latents.claims.paper import read_paper
from calcium_latents.claims.table import BEATEN, NOT_REPRODUCED, NOT_TESTED, REPRODUCED, claims_table
from calcium_latents.metrics.clustering import HEADLINE, RELATIVE
from calcium_latents.metrics.clustering import PUBLISHED as AUTHORS
from calcium_latents.statistics.partitions import corrected_interval
from calcium_latents.studies.avae import condition_comparison as cc

STUDY = {"avae": "calcium_latents.studies.avae.claims"}
METHODS = {"pca": (0.0,), "avae": (0.0, 0.5, 1.0), "avae_plus": (0.5,)}
SIZES, LEVELS = (2, 8), (0.5, 1.0)
#: method -> error over that of PCA; ARI, and what beta and latent size add to it; balanced accuracy
GOOD_ERROR = {"pca": 1.0, "avae": 0.8, "avae_plus": 0.5}
GOOD_ARI = {"pca": (0.3, 0.0, -0.1), "avae": (0.4, 0.2, 0.0), "avae_plus": (0.8, 0.0, 0.0)}
GOOD_GROUPS = {"pca": 0.7, "avae": 0.8, "avae_plus": 0.9}


def fits(partitions, datasets):
    """Yield what identifies every fit, and noise that the methods of one partition share but for a little."""
    rng = np.random.default_rng(0)
    for (dataset, level), split, partition, size in product(datasets, ("neuron", "culture"), range(partitions), SIZES):
        shared = 0.02 * rng.normal()
        for method, betas in METHODS.items():
            for beta in betas:
                fit = {"dataset": dataset, "label": dataset, "noise_level": level, "method": method, "seed": 1}
                fit |= {"split": split, "partition": partition, "latent_size": size, "hidden": 16 * size, "beta": beta}
                yield fit | {"test_neurons": 100}, shared + 0.002 * rng.normal()


TYPES = tuple((f"types-{level:g}", level) for level in LEVELS)


def reconstruction(error=GOOD_ERROR, partitions=5, growth=1.0, culture=None, datasets=TYPES):
    rows = []
    for fit, noise in fits(partitions, datasets):
        ratio = (culture or error if fit["split"] == "culture" else error)[fit["method"]]
        value = ratio * (1 + growth * fit["noise_level"]) * np.exp(noise) / fit["latent_size"]
        rows.append(fit | {"error": value, "error_sampled": 1.5 * value if fit["method"] == "avae" else np.nan})
    return pd.DataFrame(rows).assign(null_error=4.0, residual=1.0, null_residual=5.0, reported=0)


def clustering(ari=GOOD_ARI, partitions=5, datasets=TYPES):
    rows = []
    for fit, noise in fits(partitions, datasets):
        base, beta, size = ari[fit["method"]]
        value = base + beta * fit["beta"] + size * np.log2(fit["latent_size"] / 2) / 2 + noise
        kinds = (cc.ALL, cc.IDENTITY) if fit["method"] == "avae_plus" else (cc.ALL,)
        for protocol, latents in product((AUTHORS, HEADLINE), kinds):
            own = 0.0 if latents == cc.IDENTITY or fit["method"] != "avae_plus" else -0.6
            rows.append(fit | {"latents": latents, "protocol": protocol, "ari": value + own})
    return pd.DataFrame(rows).assign(null_ari=0.0, null_upper=0.03, peeks=0, clusters=3)


def separation(group=GOOD_GROUPS, inhibitory=0.9, transposed=0.5, partitions=5):
    rows = []
    for fit, noise in fits(partitions, (*TYPES, ("types-presynaptic", 1.0))):
        told = transposed if "presynaptic" in fit["dataset"] else inhibitory
        for target, score, chance in (("group", group[fit["method"]], 1 / 3), ("inhibitory", told, 0.5)):
            rows.append(fit | {"latents": cc.ALL, "target": target, "score": score + noise, "chance": chance})
    return pd.DataFrame(rows).assign(null_upper=0.55)


def correlations(v0=0.6, du=-0.6, a=0.05, within=0.3, seeds=2):
    rows = []
    for (dataset, level), method, seed, latent in product(TYPES, METHODS, range(seeds), range(1, 9)):
        values = {"v0": v0 * (latent < 8), "du": du * (latent < 8), "a": a, "b": -0.04}
        for parameter, r in values.items():
            fit = {"dataset": dataset, "label": dataset, "noise_level": level, "method": method, "seed": seed}
            row = {"latent": latent, "parameter": parameter, "r": r, "within_r": within, "null_upper": 0.1}
            rows.append(fit | row | {"split": "neuron", "partition": 0, "latent_size": 8, "beta": 0.5, "neurons": 300})
    return pd.DataFrame(rows)


def separability(across=0.95, null=0.6, held=0.9, cultures=3, dataset="conditions", spread=0.02):
    rng = np.random.default_rng(1)
    groups = ["control"] * cultures + ["altered"] * cultures
    rows = []
    for method, (a, b) in product(METHODS, combinations(range(2 * cultures), 2)):
        other = groups[a] != groups[b]
        kinds = [(cc.NEURONS, across if other else null)]
        kinds += [(cc.HELD_OUT, held), (cc.UNSEEN, held)] if other and cultures > 1 else []
        for protocol, auc in kinds:
            row = {"dataset": dataset, "label": dataset, "method": method, "seed": 1, "latents": cc.ALL}
            row |= {"protocol": protocol, "comparison": cc.CONDITIONS if other else cc.NULL, "culture_a": a}
            row |= {"culture_b": b, "group_a": groups[a], "group_b": groups[b], "auc": auc + spread * rng.normal()}
            rows.append(row | {"lower": 0.5, "upper": 1.0, "neurons": 40})
    return pd.DataFrame(rows, columns=list(cc.SEPARABILITY_COLUMNS))


def heterogeneity(ratio=1.5, cultures=3):
    rng = np.random.default_rng(2)
    rows = []
    for method, culture in product(METHODS, range(2 * cultures)):
        altered = culture >= cultures
        row = {"dataset": "conditions", "label": "c", "method": method, "seed": 1, "latents": cc.ALL}
        row |= {"culture": culture, "group": "altered" if altered else "control"}
        rows.append(row | {"dispersion": (ratio if altered else 1) * np.exp(0.03 * rng.normal())})
    return pd.DataFrame(rows).assign(lower=0.5, upper=2.0, neurons=20)


def statistics(rate=1.0, neurons=2250, orientation="published"):
    rows = [
        {"culture": index, "group": kind, "neuron_type": kind, "links": 38_000 * factor}
        | {"excitatory_rate_from_start_hz": rate * rates[0] * factor}
        | {"inhibitory_rate_from_start_hz": rate * rates[1] * factor}
        for kind in ("RS", "IB", "CH")
        for rates in (read_paper("avae")[f"culture_rates_hz_{kind.lower()}"].value,)
        for index, factor in enumerate((0.97, 1.0, 1.03))
    ]
    return pd.DataFrame(rows).assign(orientation=orientation, neurons=neurons)


def tables():
    return {
        "reconstruction": reconstruction(), "clustering": clustering(), "separation": separation(),
        "correlations": correlations(), "separability": separability(), "heterogeneity": heterogeneity(),
        "statistics": statistics(),
    }  # fmt: skip


def claims(**given):
    table = claims_table({"avae": given}, STUDY).set_index("claim")
    return table.rename(index=lambda name: name.removeprefix("avae-"))


@pytest.fixture(scope="module")
def good():
    return claims(**tables())


def test_without_tables_nothing_is_tested():
    rows = claims()
    assert len(rows) >= 30 and (rows["status"] == NOT_TESTED).all() and rows["ours"].isna().all()
    assert set(rows["paper"]) >= {"no number", "> 0.2", "first seven of eight"}


def test_good_tables_reproduce_everything_but_what_cannot_be(good):
    assert len(good) == len(claims())
    others = good[good["status"] != REPRODUCED]
    beaten = ["avae-plus-better-than-pca-neuron", "avae-plus-better-than-pca-culture"]
    beaten += ["ari-avae-plus-headline-neuron", "ari-avae-plus-headline-culture"]
    assert (good.loc[beaten, "status"] == BEATEN).all()
    # the readout of inhibitory neurons is at chance where weights have the paper's orientation; all latents of ours
    # together are no better here than principal components
    targets = {"ari-avae-plus-target-neuron", "ari-avae-plus-target-culture"}
    assert set(others.index) == {*beaten, "inhibitory-apart-presynaptic", *targets}
    assert (good.loc[list(targets), "status"] == NOT_REPRODUCED).all()
    assert good.loc["inhibitory-apart-presynaptic", "status"] == NOT_REPRODUCED


def test_numbers_are_what_the_statements_say(good):
    assert good.loc["avae-better-than-pca-neuron", "ours"] == pytest.approx(0.8, rel=0.01)
    assert "; 1.2 with sampled latents" in good.loc["avae-better-than-pca-neuron", "reason"]
    assert "; beyond the published AVAE, 0.799;" in good.loc["avae-plus-better-than-pca-neuron", "reason"]
    assert good.loc["error-grows-with-noise", "ours"] == pytest.approx(2 / 1.5, rel=0.01)
    assert good.loc["ari-avae-published-neuron", "ours"] == pytest.approx(0.4 + 0.1 - 0.3 + 0.05, abs=0.01)
    assert good.loc["ari-gain", "ours"] == pytest.approx(0.6 - 0.2, abs=0.01)  # beta 1, size 8
    assert good.loc["ari-rises-with-beta", "ours"] == pytest.approx(0.2, abs=0.01)
    assert good.loc["ari-pca-falls-with-size", "ours"] == pytest.approx(-0.1, abs=0.03)
    assert good.loc["types-apart-culture", "ours"] == pytest.approx(0.8 - 1 / 3, abs=0.01)
    assert good.loc["v0-du-correlate", "ours"] == 7 / 8
    assert good.loc["a-b-do-not-correlate", "ours"] == pytest.approx(0.05)
    assert good.loc["conditions-beyond-cultures", "ours"] == pytest.approx(0.35, abs=0.03)
    assert good.loc["conditions-heterogeneity", "ours"] == pytest.approx(1.5, rel=0.05)
    assert good.loc["culture-links-all", "ours"] == pytest.approx(38_000)
    assert "up to 15 fits" in good.loc["best-on-the-test-set", "reason"]


def test_identity_latents_decide_for_ours_and_all_latents_for_the_others(good):
    row = good.loc["ari-avae-plus-headline-neuron"]
    assert row["ours"] == pytest.approx(0.8 - 0.25, abs=0.01) and "identity" in row["statement"]
    rows = clustering()
    without = claims(clustering=rows[rows["latents"] == cc.ALL]).loc["ari-avae-plus-headline-neuron"]
    assert without["ours"] == pytest.approx(0.2 - 0.25, abs=0.01) and without["status"] == NOT_REPRODUCED


@pytest.mark.parametrize(("above", "status"), [(0.2, REPRODUCED), (0.07, NOT_REPRODUCED)])
def test_the_target_is_a_difference_of_medians_whatever_a_protocol_that_peeks_says(above, status):
    rows = clustering(GOOD_ARI | {"avae_plus": (0.25 + above + 0.6, 0.0, 0.0)})
    row = claims(clustering=rows).loc["ari-avae-plus-target-culture"]
    assert row["status"] == status and row["ours"] == pytest.approx(above, abs=0.01)
    assert f"difference to PCA {above:+.2f}" in row["reason"] and f"{HEADLINE}: {above:+.2f}* / " in row["reason"]
    authors = (rows["protocol"] == AUTHORS) & (rows["method"] == "avae_plus")
    peeking = rows.assign(ari=rows["ari"].mask(authors, 1.0), peeks=(rows["protocol"] == AUTHORS).astype(int))
    other = claims(clustering=peeking).loc["ari-avae-plus-target-culture"]
    assert other["ours"] == row["ours"] and AUTHORS not in other["reason"]


def test_a_win_by_the_authors_grid_says_what_the_grid_decides():
    rows = clustering()
    common = rows[rows["protocol"] == AUTHORS].assign(protocol=RELATIVE)
    common["ari"] = common["ari"].mask(common["method"] == "avae", 0.0)
    alone = (rows["method"] == "pca") & (rows["protocol"] == AUTHORS)
    rows = pd.concat([rows.assign(clusters=rows["clusters"].mask(alone, 1)), common])
    row = claims(clustering=rows).loc["ari-avae-published-neuron"]
    assert row["status"] == REPRODUCED and "AVAE 0%, PCA 100%" in row["reason"]
    assert "as much tuned on labels: -0.25 [" in row["reason"]


def test_betas_of_some_partitions_do_not_shift_their_means():
    rows = clustering()
    swept = rows[(rows["method"] != "avae") | (rows["beta"] == 0.5) | (rows["partition"] < 2)]
    only = rows[(rows["method"] != "avae") | (rows["beta"] == 0.5)]
    name = ["ari-avae-headline-neuron", "ari-avae-published-neuron"]
    columns = ["ours", "lower", "upper", "status"]
    pd.testing.assert_frame_equal(
        claims(clustering=swept).loc[name, columns], claims(clustering=only).loc[name, columns]
    )
    # two partitions have both ends of beta: no interval, no verdict
    assert claims(clustering=swept).loc["ari-rises-with-beta", "status"] == NOT_TESTED


@pytest.mark.parametrize(
    ("name", "table", "bad"),
    [
        ("avae-better-than-pca-neuron", "reconstruction", reconstruction({"pca": 1, "avae": 1.1, "avae_plus": 0.5})),
        ("avae-better-than-pca-culture", "reconstruction", reconstruction(culture={m: 1.0 for m in METHODS})),
        ("avae-plus-better-than-pca-neuron", "reconstruction", reconstruction({m: 1.0 for m in METHODS})),
        ("best-on-the-test-set", "reconstruction", reconstruction({"pca": 1, "avae": 1.3, "avae_plus": 0.5})),
        ("error-grows-with-noise", "reconstruction", reconstruction(growth=0)),
        ("ari-avae-published-neuron", "clustering", clustering(GOOD_ARI | {"avae": (0.1, 0.2, 0)})),
        ("ari-avae-headline-culture", "clustering", clustering(GOOD_ARI | {"avae": (0.1, 0.2, 0)})),
        ("ari-gain", "clustering", clustering(GOOD_ARI | {"avae": (0.35, 0.0, -0.1)})),
        ("ari-rises-with-beta", "clustering", clustering(GOOD_ARI | {"avae": (0.6, -0.1, 0)})),
        ("ari-pca-falls-with-size", "clustering", clustering(GOOD_ARI | {"pca": (0.3, 0, 0)})),
        ("ari-avae-keeps-with-size", "clustering", clustering(GOOD_ARI | {"avae": (0.6, 0.2, -0.2)})),
        ("types-apart-culture", "separation", separation(GOOD_GROUPS | {"avae": 1 / 3})),
        ("inhibitory-apart-published", "separation", separation(inhibitory=0.5)),
        ("v0-du-correlate", "correlations", correlations(du=0.6)),
        ("v0-du-correlate", "correlations", correlations(v0=0.09)),
        ("a-b-do-not-correlate", "correlations", correlations(a=-0.2)),
        ("v0-du-within-types", "correlations", correlations(within=-0.05)),
        ("conditions-separate", "separability", separability(across=0.5)),
        ("conditions-beyond-cultures", "separability", separability(null=0.95)),
        ("conditions-carry-over", "separability", separability(held=0.5)),
        ("conditions-carry-over-unseen-avae-plus", "separability", separability(held=0.5)),
        ("conditions-heterogeneity", "heterogeneity", heterogeneity(1.0)),
        ("culture-rate-ib", "statistics", statistics(rate=1.5)),
        ("culture-share-ch", "statistics", statistics().assign(inhibitory_rate_from_start_hz=1.0)),
        ("culture-links-all", "statistics", statistics().assign(links=10_000)),
    ],
)
def test_each_claim_can_fail(good, name, table, bad):
    assert good["status"][name] in (REPRODUCED, BEATEN)
    row = claims(**{table: bad}).loc[name]
    assert row["status"] == NOT_REPRODUCED and np.isfinite(row["ours"])


def test_ours_is_beaten_only_beyond_the_published_one():
    same = claims(reconstruction=reconstruction({"pca": 1, "avae": 0.8, "avae_plus": 0.8}))
    assert same.loc["avae-plus-better-than-pca-neuron", "status"] == REPRODUCED
    alone = claims(reconstruction=reconstruction({"pca": 1, "avae": 1.2, "avae_plus": 0.9}))
    assert alone.loc["avae-plus-better-than-pca-neuron", "status"] == BEATEN
    assert alone.loc["avae-better-than-pca-neuron", "status"] == NOT_REPRODUCED
    rows = reconstruction()
    without = claims(reconstruction=rows[rows["method"] != "avae"])
    assert without.loc["avae-plus-better-than-pca-neuron", "status"] == REPRODUCED
    assert without.loc["best-on-the-test-set", "status"] == NOT_TESTED


def test_one_partition_or_one_culture_decides_nothing():
    rows = claims(reconstruction=reconstruction(partitions=1), separability=separability(cultures=1))
    rows = pd.concat([rows, claims(heterogeneity=heterogeneity(cultures=1)).filter(like="heterogeneity", axis=0)])
    for name in ("avae-better-than-pca-neuron", "conditions-separate", "conditions-heterogeneity"):
        row = rows[rows.index == name].iloc[-1]
        assert row["status"] == NOT_TESTED and np.isfinite(row["ours"]) and "no interval" in row["reason"]


def test_the_interval_is_the_corrected_one():
    rows = reconstruction()
    ratio = rows[rows["split"] == "neuron"].copy()
    ratio["log"] = np.log(ratio["error"])
    keys = ["dataset", "latent_size", "partition", "method"]
    means = ratio[ratio["method"] == "avae_plus"].set_index(keys[:-1])["log"]
    baseline = ratio[ratio["method"] == "pca"].set_index(keys[:-1])["log"]
    values = (means - baseline).groupby("partition").mean().to_numpy()
    row = claims(reconstruction=rows).loc["avae-plus-better-than-pca-neuron"]
    expected = np.exp(corrected_interval(values))
    assert (row["ours"], row["lower"], row["upper"]) == pytest.approx(tuple(expected))
    # half of the neurons held out, not a fifth: the interval of whole cultures is wider
    rows.loc[rows["split"] == "culture", "test_neurons"] = 250
    wide = claims(reconstruction=rows).loc["avae-plus-better-than-pca-culture"]
    usual = claims(reconstruction=rows.assign(test_neurons=100)).loc["avae-plus-better-than-pca-culture"]
    widths = [np.log(row["upper"] / row["lower"]) for row in (wide, usual)]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt((1 / 5 + 1) / (1 / 5 + 1 / 4)))


def test_partitions_that_lack_a_setting_do_not_shift_the_mean():
    rows = reconstruction()
    lacking = rows[(rows["partition"] < 3) | (rows["dataset"] == "types-1")]
    row = claims(reconstruction=lacking).loc["avae-better-than-pca-neuron"]
    assert "4 combination(s) of settings, 3 partition(s)" in row["reason"]
    sparse = rows[(rows["partition"] == 0) | ((rows["dataset"] == "types-1") & (rows["latent_size"] == 8))]
    row = claims(reconstruction=sparse).loc["avae-better-than-pca-neuron"]
    assert "1 combination(s) of settings, 5 partition(s)" in row["reason"]
    # one setting with five partitions says more than four settings with two, which have no interval
    swept = rows[(rows["partition"] < 2) | ((rows["dataset"] == "types-1") & (rows["latent_size"] == 8))]
    row = claims(reconstruction=swept).loc["avae-better-than-pca-neuron"]
    assert "1 combination(s) of settings, 5 partition(s)" in row["reason"] and row["status"] == REPRODUCED
    assert "of 1 single ones (3 others have fewer than 3 partitions)" in row["reason"]


def test_claims_about_types_leave_out_conditions_other_orientations_and_recordings(good):
    bad = {"pca": 1.0, "avae": 3.0, "avae_plus": 3.0}
    others = (("conditions", 1.0), ("types-presynaptic", 1.0), ("mine", np.nan))
    more = pd.concat([reconstruction(), reconstruction(bad, datasets=others)])
    rows = claims(**tables() | {"reconstruction": more})
    assert rows.loc["avae-better-than-pca-neuron", "ours"] == good.loc["avae-better-than-pca-neuron", "ours"]
    assert "conditions (simulated" in rows.loc["conditions-separate", "reason"]
    real = claims(separability=separability(dataset="mine"), reconstruction=more)
    assert "mine (not of the paper)" in real.loc["conditions-separate", "reason"]
    # the orientation may be told by the table instead of the name
    told = separation().assign(orientation="presynaptic")
    rows = claims(separation=told, reconstruction=reconstruction())
    assert rows.loc["inhibitory-apart-published", "status"] == NOT_TESTED
    assert rows.loc["avae-better-than-pca-neuron", "status"] == NOT_TESTED
    # where all simulated data sets compare conditions, they are all there is
    rows = claims(reconstruction=reconstruction(), separability=separability(dataset="types-1"))
    assert rows.loc["avae-better-than-pca-neuron", "status"] == REPRODUCED


def test_cultures_of_other_sizes_and_orientations_are_not_compared():
    for table in (statistics(neurons=500), statistics(orientation="presynaptic"), statistics().assign(group="control")):
        rows = claims(statistics=table).filter(like="culture-", axis=0)
        rows = rows[~rows.index.str.contains("apart|better|ari")]
        assert len(rows) == 7 and (rows["status"] == NOT_TESTED).all()


def test_header_only_tables_of_other_data_sets_change_nothing(good):
    joined = {}
    for name, table in tables().items():
        empty = pd.read_csv(io.StringIO(",".join(table.columns) + "\n"))
        joined[name] = pd.concat([empty, table, empty], ignore_index=True)
        assert (claims(**{name: empty})["status"] == NOT_TESTED).all()
    pd.testing.assert_frame_equal(claims(**joined), good)
