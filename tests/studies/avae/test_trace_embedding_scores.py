"""Tables of embeddings, and the command that writes them: columns, alignment, choices, and recordings without truth."""

import numpy as np
import pandas as pd
import pytest

from calcium_latents.errors import UserError
from calcium_latents.metrics.clustering import COMPARED, HEADLINE, PROTOCOLS, PUBLISHED, Settings
from calcium_latents.recordings import make_recording, write_recording
from calcium_latents.recordings.embedding import make_embedding, write_embedding
from calcium_latents.studies.avae import trace_embedding_scores as scores
from calcium_latents.studies.avae.commands.score_avae import main as score

PROVENANCE = {"config_digest": "0", "code_digest": "0", "versions": "{}"}
NEURONS, CULTURES, SIZE = 90, 6, 4
FAST = Settings(min_samples=5, permutations=20)


def recording(simulated=True, groups=3, seed=0):
    """Six cultures of 15 neurons, numbered from 100."""
    rng = np.random.default_rng(seed)
    culture = np.repeat(np.arange(CULTURES, dtype=np.int32), NEURONS // CULTURES)
    group = np.array([f"group {number % groups}" for number in culture], object)
    inhibitory = (np.arange(NEURONS) % 5 == 0).astype(np.int8)
    others = {"culture": (("neuron",), culture, "1", "culture"), "group": (("neuron",), group, "1", "group")}
    if simulated:
        others |= {"inhibitory": (("neuron",), inhibitory, "1", "inhibitory")}
        others |= {n: (("neuron",), rng.normal(size=NEURONS), "1", n) for n in ("a", "b", "v0", "du")}
    return make_recording(
        fluorescence=rng.normal(size=(1, 6, NEURONS)),
        time=np.arange(6) / 10,
        bin_width_s=0.1,
        imaging_rate_hz=10.0,
        source="made up",
        neuron=np.arange(NEURONS) + 100,
        noise_level=rng.uniform(0.9, 1.1, NEURONS) if simulated else None,
        others=others,
    )


def embedding(box, model="avae", identity=0, partitions=3, splits=("neuron", "culture"), seed=7, **others):
    """Members of latent size 2 and 4; the first latent tells the group (in size 4 only), the second the parameter a."""
    rng = np.random.default_rng(seed)
    members = [(size, split, p) for size in (2, SIZE) for split in splits for p in range(partitions)]
    count, codes = len(members), np.unique(box["group"].values, return_inverse=True)[1]
    z = rng.normal(size=(count, NEURONS, SIZE)).astype(np.float32)
    if "a" in box:
        z[..., 1] = box["a"].values
    sizes = np.array([size for size, _, _ in members])
    z[sizes == SIZE, :, 0] = 20 * codes + 0.1 * z[sizes == SIZE, :, 0]
    z[sizes[:, None, None].repeat(NEURONS, 1) <= np.arange(SIZE)] = np.nan
    part = np.zeros((count, NEURONS), np.int8)
    for row, (_, split, p) in enumerate(members):
        held = np.isin(box["culture"].values, np.arange(3) + 3 * (p % 2)) if split == "culture" else np.zeros(NEURONS)
        part[row] = np.where(held, 2, 0)
        if split == "neuron":
            part[row, np.random.default_rng(p).permutation(NEURONS)[:30]] = 2
        part[row, np.flatnonzero(part[row] == 0)[:5]] = 1
    grid = np.arange(count * NEURONS, dtype=float).reshape(count, NEURONS)
    arrays = {
        "latents": z,
        "latent_size": sizes,
        "hidden": 16 * sizes,
        "beta": np.full(count, 0.5),
        "split": np.array([split for _, split, _ in members], object),
        "partition": np.array([p for _, _, p in members]),
        "part": part,
        "residual": grid,
        "null_residual": 2 * grid,
        "reconstruction": np.zeros((6, NEURONS)),
        "reported_member": count - 1,
        "identity_latents": identity,
    }
    return make_embedding(model=model, seed=1, recording=box, **(arrays | others))


def everything(box, boxes):
    about = (box, boxes, "sigma-1", "made-up cultures")
    return {
        "reconstruction": scores.reconstruction_table(*about),
        "clustering": scores.clustering_table(*about, FAST, clustered=1),
        "separation": scores.separation_table(*about, permutations=20),
        "correlations": scores.correlation_table(*about, permutations=20),
        "tsne": scores.tsne_table(*about),
    }


@pytest.fixture(scope="module")
def tables():
    box = recording()
    boxes = {("avae", 1): embedding(box), ("avae_plus", 1): embedding(box, "avae_plus", identity=1)}
    return box, boxes, everything(box, boxes)


COLUMNS = {
    "reconstruction": "dataset,label,noise_level,method,seed,split,partition,latent_size,hidden,beta,test_neurons,"
    "error,error_sampled,residual,null_error,null_residual,reported",
    "clustering": "dataset,label,noise_level,method,seed,split,partition,latent_size,hidden,beta,latents,protocol,"
    "peeks,clusters,ari,null_ari,null_upper,test_neurons",
    "separation": "dataset,label,noise_level,method,seed,split,partition,latent_size,hidden,beta,latents,target,score,"
    "chance,null_upper,test_neurons",
    "correlations": "dataset,label,noise_level,method,seed,split,partition,latent_size,beta,latent,parameter,r,"
    "within_r,null_upper,neurons",
    "tsne": "dataset,label,method,seed,neuron,part,x,y,group,inhibitory,culture,v0,du",
}


def test_columns_and_numbers_of_rows(tables):
    _, _, found = tables
    members = 12  # of each method: all latents of both; of one identity latents, for the six of the reported size
    rows = {
        "reconstruction": 2 * members,
        "clustering": (2 * 2 + 2) * len(PROTOCOLS) + 2 * 2 * len(COMPARED),
        "separation": (2 * members + 6) * 2,
    }
    rows |= {"correlations": 2 * SIZE * 4, "tsne": 2 * NEURONS}
    for name, columns in COLUMNS.items():
        assert ",".join(found[name].columns) == columns
        assert len(found[name]) == rows[name], name
    assert found["clustering"]["noise_level"].between(0.9, 1.1).all()


def test_reconstruction_is_the_mean_over_test_neurons(tables):
    _, boxes, found = tables
    rows = found["reconstruction"][found["reconstruction"]["method"] == "avae"]
    for member, row in enumerate(rows.itertuples()):
        test = boxes["avae", 1]["part"].values[member] == 2
        assert row.residual == pytest.approx(boxes["avae", 1]["residual"].values[member, test].mean())
        assert row.null_residual == pytest.approx(2 * row.residual) and row.test_neurons == test.sum()
    assert rows["reported"].tolist() == [0] * 11 + [1] and rows["error"].isna().all()


def test_latents_that_tell_the_group_are_found_to(tables):
    _, _, found = tables
    table = found["clustering"]
    free = table[table["protocol"] == HEADLINE]
    free = free.set_index(["method", "latent_size", "latents"]).sort_index()
    assert (free.loc[("avae_plus", 4, "identity"), "ari"] == 1).all()
    assert (free.loc[("avae", 2, "all"), "ari"] < 0.5).all()
    assert set(table["partition"]) == {0} and set(table.loc[table["method"] == "avae", "latents"]) == {"all"}
    separation = found["separation"].set_index(["target", "latent_size", "latents"])["score"]
    assert (separation.loc[("group", 4, "all")] == 1).all()
    assert abs(separation.loc[("inhibitory", 4, "all")].mean() - 0.5) < 0.15


def test_neurons_are_matched_by_number_not_by_place(tables):
    box, boxes, found = tables
    order = np.random.default_rng(1).permutation(NEURONS)
    turned = {run: box_.isel(neuron=order) for run, box_ in boxes.items()}
    again = scores.correlation_table(box, turned, "sigma-1", "made-up cultures", permutations=20)
    for column in ("r", "within_r"):
        np.testing.assert_allclose(again[column], found["correlations"][column], atol=1e-6)
    a = found["correlations"].query("latent == 2 and parameter == 'a'")
    np.testing.assert_allclose(a["r"], 1, atol=1e-5)
    tsne = found["tsne"].query("method == 'avae'")
    assert (
        tsne["neuron"].tolist() == box["neuron"].values.tolist()
        and tsne["group"].tolist() == box["group"].values.tolist()
    )
    other = boxes["avae", 1].assign_coords(neuron=np.arange(NEURONS))
    with pytest.raises(UserError, match="90 others, the first: 0"):
        scores.tsne_table(box, {("avae", 1): other}, "d", "d")


def test_methods_share_permutations(tables):
    """The same latents under another name: the same scores, to the last digit."""
    box, boxes, found = tables
    table = found["clustering"][found["clustering"]["method"] == "avae"].reset_index(drop=True)
    about = ("sigma-1", "made-up cultures", FAST)
    for run in (("avae", 1), ("other", 2)):
        again = scores.clustering_table(box, {run: boxes["avae", 1]}, *about, clustered=1)
        pd.testing.assert_frame_equal(table, again.assign(method="avae", seed=1))


def test_noiseless_latents_serve_the_published_protocol_alone(tables):
    box, boxes, found = tables
    clean = boxes["avae", 1]["latents"].values.copy()
    clean[..., :2] = 9 * np.unique(box["group"].values, return_inverse=True)[1][:, None] + 0.01 * clean[..., :2]
    clean[6:, :, 2:] = 0
    noiseless = {("avae", 1): embedding(box, latents_of_noiseless=clean)}
    given = scores.clustering_table(box, noiseless, "d", "d", FAST, clustered=1)
    without = found["clustering"][found["clustering"]["method"] == "avae"].reset_index(drop=True)
    published = given["protocol"] == PUBLISHED
    assert (given.loc[published, "ari"] == 1).all() and without.loc[published, "ari"].max() < 0.5
    pd.testing.assert_series_equal(given.loc[~published, "ari"], without.loc[~published, "ari"])


def test_published_eps_follow_the_length_of_traces_if_asked_to(tables):
    box, boxes, _ = tables
    pca, about = {("pca", 1): boxes["avae", 1]}, ("d", "d")
    given = scores.clustering_table(box, pca, *about, FAST, clustered=1, published_samples=24)
    factor = FAST.changed(pca_eps_factor=0.5)  # six samples
    pd.testing.assert_frame_equal(given, scores.clustering_table(box, pca, *about, factor, clustered=1))
    literal = scores.clustering_table(box, pca, *about, FAST, clustered=1)
    assert not literal[literal["protocol"] == PUBLISHED].equals(given[given["protocol"] == PUBLISHED])


def test_test_neurons_beyond_the_most_are_left_out(tables):
    box, boxes, _ = tables
    found = scores.clustering_table(box, {("avae", 1): boxes["avae", 1]}, "d", "d", FAST, clustered=1, most_neurons=20)
    assert (found["test_neurons"] == 20).all()


def test_recordings_without_truth_have_headers_and_no_rows():
    box = recording(simulated=False, groups=1)
    found = everything(box, {("pca", 1): embedding(box, "pca", splits=("neuron",))})
    assert {name: len(table) for name, table in found.items()} == {
        "reconstruction": 6,
        "clustering": 0,
        "separation": 0,
        "correlations": 0,
        "tsne": NEURONS,
    }
    for name, columns in COLUMNS.items():
        assert ",".join(found[name].columns) == columns
    assert found["reconstruction"]["noise_level"].isna().all() and found["tsne"]["v0"].isna().all()
    two = everything(recording(simulated=False, groups=2), {("pca", 1): embedding(box, "pca", splits=("neuron",))})
    assert len(two["clustering"]) and set(two["separation"]["target"]) == {"group"} and not len(two["correlations"])


def test_the_command_writes_the_same_tables_twice(tmp_path):
    box = recording()
    write_recording(box, tmp_path / "traces.nc", PROVENANCE)
    write_embedding(embedding(box, partitions=2), tmp_path / "output.nc", PROVENANCE)
    names = ("reconstruction", "clustering", "separation", "correlations", "tsne")
    arguments = ["--recording", str(tmp_path / "traces.nc"), "--dataset", "sigma-1"]
    good = [*arguments, "--embedding", f"avae={tmp_path / 'output.nc'}"]
    good += ["--parameters", '{"min_samples": 5, "permutations": 20, "clustered": 1, "training_min_samples": [5]}']
    for run in ("one", "two"):
        score([*good, *(part for name in names for part in (f"--{name}", str(tmp_path / run / f"{name}.csv")))])
    for name in names:
        assert (tmp_path / "one" / f"{name}.csv").read_bytes() == (tmp_path / "two" / f"{name}.csv").read_bytes()
        table = pd.read_csv(tmp_path / "one" / f"{name}.csv")
        assert ",".join(table.columns) == COLUMNS[name] and len(table) and (table["label"] == "sigma-1").all()
    outputs = [part for name in names for part in (f"--{name}", str(tmp_path / "bad" / f"{name}.csv"))]
    for extra, said in (
        (["--embedding", "output.nc"], "METHOD=FILE"),
        (["--embedding", f"avae={tmp_path / 'output.nc'}"] * 2, "one embedding of each method and seed"),
        (["--embedding", f"a={tmp_path / 'output.nc'}", "--parameters", '{"sigma": 1}'], "unknown field 'sigma'"),
        (["--embedding", f"a={tmp_path / 'absent.nc'}"], "no such file"),
    ):
        with pytest.raises(UserError, match=said):
            score([*arguments, *extra, *outputs])
    assert not (tmp_path / "bad").exists()
