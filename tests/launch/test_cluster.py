"""What a run on a cluster needs."""

from types import SimpleNamespace

import pytest

from calcium_latents.commands.workflow import _parse
from calcium_latents.errors import UserError
from calcium_latents.launch import cluster


@pytest.fixture(autouse=True)
def here(repository, monkeypatch):
    monkeypatch.chdir(repository)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)


@pytest.fixture
def installed(monkeypatch):
    """A function that says which plugins are installed."""
    return lambda *names: monkeypatch.setattr(cluster, "find_spec", lambda name: name if name in names else None)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--profile", "profiles/slurm"],
        ["--profile=profiles/slurm", "--config", "scale=paper"],
        ["--workflow-profile", "slurm"],
        ["-n", "--executor", "slurm"],
        ["-e", "slurm", "results/quick/claims.csv"],
    ],
)
def test_a_missing_plugin_is_named_with_the_command_that_installs_it(installed, arguments):
    installed()
    with pytest.raises(UserError, match="'slurm', whose plugin .* Install it by `./run install slurm`"):
        cluster.require_executor(arguments)
    installed("snakemake_executor_plugin_slurm")
    cluster.require_executor(arguments)


def test_plugins_that_are_no_extra_are_installed_by_pip(installed):
    installed()
    with pytest.raises(UserError, match="pip install snakemake-executor-plugin-cluster-generic"):
        cluster.require_executor(["--executor", "cluster-generic"])


def test_the_profile_of_the_environment_counts(installed, monkeypatch):
    installed()
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "profiles/slurm")
    with pytest.raises(UserError, match="profiles/slurm/config.yaml: executor"):
        cluster.require_executor([])


@pytest.mark.parametrize(
    "arguments",
    [[], ["-n"], ["--profile", "default"], ["--executor", "local"], ["--profile", "nowhere"], ["--executor"]],
)
def test_other_runs_need_none(installed, arguments):
    installed()
    cluster.require_executor(arguments)


def parsed(account, executor="slurm", *arguments):
    """Return Snakemake's reading of default resources, with an executor that need not be installed."""
    found = _parse(["--default-resources", f"slurm_account={account}", *arguments])
    return SimpleNamespace(**vars(found) | {"executor": executor, "profile": ["profiles/slurm"]})


def test_the_placeholder_of_the_account_is_an_error():
    with pytest.raises(UserError, match="profiles/slurm/config.yaml: slurm_account: .* 'your_account'"):
        cluster.require_account(parsed(cluster.PLACEHOLDER))


def test_the_placeholder_is_that_of_the_profile(repository):
    text = (repository / "profiles/slurm/config.yaml").read_text()
    assert f"slurm_account: {cluster.PLACEHOLDER} " in text


def test_an_account_is_taken_and_none_is_asked_for_where_nothing_is_submitted():
    cluster.require_account(parsed("lab"))
    cluster.require_account(parsed(cluster.PLACEHOLDER, None))
    cluster.require_account(parsed(cluster.PLACEHOLDER, "slurm", "--dry-run"))
    cluster.require_account(SimpleNamespace(**vars(_parse([])) | {"executor": "slurm"}))


def test_extras_are_those_of_the_project(repository):
    import tomllib

    extras = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert all(extras[name] == [f"snakemake-executor-plugin-{name}"] for name in cluster.EXTRAS)
