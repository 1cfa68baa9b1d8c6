"""What the commands share."""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch

from calcium_latents.commands import cli, workflow
from calcium_latents.errors import UserError


@cli.command(bar_codes="clusters (.nc)", seed={"type": int, "default": 0}, parameters="fields")
def main(options):
    return options


def parse(*arguments):
    return main([*arguments, "--bar-codes", "clusters.nc"]).parameters


def test_options_of_a_command():
    assert vars(main(["--bar-codes=a.nc", "--seed=3"])) == {"bar_codes": "a.nc", "seed": 3, "parameters": {}}
    assert main(["--bar-codes=a.nc"]).seed == 0


def test_a_command_says_what_it_needs(capsys):
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2 and "required: --bar-codes" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert __doc__ in said and "clusters (.nc)" in said and "JSON, or a JSON or YAML file" in said


def test_parameters_from_json_and_files_are_merged_in_order(tmp_path):
    file = tmp_path / "more.yaml"
    file.write_text("b: 3\nc: [1, 2]\n")
    assert parse("--parameters", '{"a": 1, "b": 2}', "--parameters", str(file)) == {
        "a": 1,
        "b": 3,
        "c": [1, 2],
    }
    assert parse() == {}


@pytest.mark.parametrize("text", ["{not json", "nowhere.yaml", "[1]"])
def test_bad_parameters_stop_with_a_message(text, capsys):
    with pytest.raises(SystemExit):
        parse("--parameters", text)
    assert "--parameters" in capsys.readouterr().err


def test_user_errors_become_a_message_and_status_two(capsys):
    def fail():
        raise UserError("config.yaml, field 'a': expected 1, found 2.")

    with pytest.raises(SystemExit) as stopped:
        cli.run_command(fail)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: config.yaml, field 'a': expected 1, found 2.\n"


@pytest.mark.parametrize("error", [ZeroDivisionError("no"), RuntimeError("no")])
def test_other_errors_keep_their_traceback(error):
    with pytest.raises(type(error), match="no"):
        cli.run_command(lambda: raise_(error))


def raise_(error):
    raise error


def kill_a_worker():
    with ProcessPoolExecutor(1) as pool:
        pool.submit(os.kill, os.getpid(), 0).result()  # has started
        pool.submit(os._exit, 1).result()


@pytest.mark.parametrize(
    ("fail", "said", "status"),
    [
        (lambda: np.empty(10**15), "error: out of memory: Unable to allocate", cli.KILLED),
        (lambda: torch.empty(10**15), "error: out of memory: [enforce fail", cli.KILLED),
        (lambda: raise_(torch.OutOfMemoryError("CUDA out of memory.")), "error: the GPU's memory is too small", 2),
        (kill_a_worker, "error: one of the command's processes was killed", cli.KILLED),
    ],
)
def test_a_lack_of_memory_becomes_a_message_and_the_status_of_what_is_killed_for_it(capsys, fail, said, status):
    with pytest.raises(SystemExit) as stopped:
        cli.run_command(fail)
    assert stopped.value.code == status
    assert capsys.readouterr().err.startswith(said)


def test_method_and_seed_are_read_from_the_path():
    assert cli.method_of("results/quick/radical/lorenz-7hz/smth-dec/seed-12/output.nc") == ("smth-dec", 12)
    for path in ("output.nc", "a/b/output.nc", "a/seed-x/output.nc"):
        with pytest.raises(UserError, match="MODEL/seed-NUMBER"):
            cli.method_of(path)


@pytest.mark.parametrize(
    ("arguments", "reports"),
    [
        (["--config", "scale=smoke"], True),
        (["-n", "--config", "scale=smoke"], False),
        (["results/smoke/claims.csv", "--config", "scale=smoke"], False),
        (["--cores", "1", "--lint"], True),  # Snakemake itself does not report then
    ],
)
def test_a_run_of_everything_writes_the_report(monkeypatch, repository, arguments, reports):
    commands = []
    monkeypatch.chdir(repository)
    monkeypatch.setattr(
        workflow.subprocess, "run", lambda command: commands.append(command) or argparse.Namespace(returncode=0)
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    workflow.main(arguments)
    (command,) = commands
    assert ("--report-after-run" in command) == reports
    assert command.count("--cores") == 1
    place = command.index("--resources")
    assert command[place - len(arguments) : place] == arguments
    assert command[place + 1].startswith("mem_mb=") and command[place + 2 :] == ["gpu=2"]


def test_what_the_user_limits_stays_and_targets_stay_targets(monkeypatch, repository):
    commands = []
    monkeypatch.chdir(repository)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(
        workflow.subprocess, "run", lambda command: commands.append(command) or argparse.Namespace(returncode=0)
    )
    workflow.main(["--resources", "mem_mb=900", "--config", "scale=smoke", "--", "results/smoke/claims.csv"])
    (command,) = commands
    assert command[-5:] == ["--resources", "mem_mb=900", "gpu=0", "--", "results/smoke/claims.csv"]
    parsed = workflow._parse(command[3:])
    assert parsed.targets == ["results/smoke/claims.csv"] and parsed.resources["mem_mb"].value == 900


def test_a_report_stands_with_the_results(monkeypatch, repository, tmp_path):
    commands = []
    monkeypatch.chdir(repository)
    monkeypatch.setattr(
        workflow.subprocess, "run", lambda command: commands.append(command) or argparse.Namespace(returncode=0)
    )
    workflow.main(["--directory", str(tmp_path / "my lab's"), "--config", "scale=smoke"])
    (command,) = commands
    assert command[command.index("--report") + 1] == str(tmp_path / "my lab's/results/smoke/report.html")


def test_what_does_not_bring_everything_up_to_date_are_real_arguments_of_snakemake():
    parsed = vars(workflow._parse([]))
    assert set(workflow.PARTIAL) <= set(parsed)
    assert not any(parsed[name] for name in workflow.PARTIAL)
