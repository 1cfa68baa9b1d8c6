"""Files of `--configfile` are found from where the user stands, and what is wrong with them is named."""

import shutil
import subprocess

import pytest

from calcium_latents.errors import UserError
from calcium_latents.launch.arguments import STARTED_IN, arguments_as_meant


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A folder in which the user stands, and a repository, which is the working directory."""
    for name in ("home", "repository/config"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home/mine.yaml").write_text("scale: smoke")
    (tmp_path / "repository/config/config.yaml").write_text("scale: quick")
    monkeypatch.chdir(tmp_path / "repository")
    monkeypatch.setenv(STARTED_IN, str(tmp_path / "home"))
    return tmp_path


def test_files_are_named_in_full(folders):
    mine, other = str(folders / "home/mine.yaml"), str(folders / "repository/config/config.yaml")
    for said, meant in {
        "--configfile mine.yaml": ["--configfile", mine],
        "--configfile mine.yaml config/config.yaml --cores 2": ["--configfile", mine, other, "--cores", "2"],
        "--configfiles=mine.yaml -n": [f"--configfiles={mine}", "-n"],
        "-n --config scale=smoke --configfile mine.yaml": ["-n", "--config", "scale=smoke", "--configfile", mine],
        "results/quick/a.png": ["results/quick/a.png"],
    }.items():
        assert arguments_as_meant(said.split()) == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "expected an existing file, found none in .*home.* nor in the repository"),
        ("a: 1\na: 2", "'a' comes again, first in line 1"),
    ],
)
def test_wrong_files_are_named(folders, text, said):
    if text is not None:
        (folders / "home/wrong.yaml").write_text(text)
    with pytest.raises(UserError, match=f"wrong.yaml.*{said}"):
        arguments_as_meant(["--configfile", "wrong.yaml"])


def test_run_says_where_the_user_stands(tmp_path, repository):
    """The script goes to the repository; what it runs there is told where it came from."""
    (tmp_path / "checkout").mkdir()
    (tmp_path / "home").mkdir()
    lines = (repository / "run").read_text().split("venv=")[0]  # before it looks for an environment
    (tmp_path / "checkout/run").write_text(f'{lines}echo "${STARTED_IN} $PWD"\n')
    done = subprocess.run(
        [shutil.which("bash"), "../checkout/run"], cwd=tmp_path / "home", capture_output=True, text=True
    )
    assert done.stdout.split() == [str(tmp_path / "home"), str(tmp_path / "checkout")]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("radical avae", ["--config", 'studies=["radical", "avae"]']),
        ("radical results/a.png -n", ["results/a.png", "--config", 'studies=["radical"]', "-n"]),
        ("radical --config seed=2 --cores 1", ["--config", 'studies=["radical"]', "seed=2", "--cores", "1"]),
        ("results/a.png radical_figure2 -n", ["results/a.png", "radical_figure2", "-n"]),
        ("-n radical", ["-n", "radical"]),
        ("searches -n", ["--config", "scale=searches", "studies=radical", "-n"]),
    ],
)
def test_studies_are_chosen_by_their_names(said, meant):
    assert arguments_as_meant(said.split()) == meant


def test_the_demo_draws_one_figure(repository):
    target, *words = arguments_as_meant(["demo"])
    assert target.endswith("radical_figure2.png") and words == ["--config", "scale=demo", "studies=radical"]
    assert (repository / "config/scale/demo/radical.yaml").is_file()
    with pytest.raises(UserError, match="no other word"):
        arguments_as_meant(["demo", "avae"])
