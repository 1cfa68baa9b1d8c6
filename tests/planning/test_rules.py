"""Rules are completed with what they do not say."""

from types import SimpleNamespace

import pytest

from calcium_latents.errors import UserError
from calcium_latents.planning.rules import RuleDefaults, _put_before, code

RESOURCES = {"default": {"threads": 1, "mem_mb": 100, "runtime": 5, "gpu": 0}, "train": {"threads": 4, "gpu": 1}}


class FakeWorkflow:
    """Keeps what is declared, as Snakemake's workflow does."""

    def __init__(self):
        self.rules = {}
        self.resource_settings = SimpleNamespace(default_resources=None)

    def rule(self, name=None):
        return lambda said: self.rules.__setitem__(name, said)

    def log(self, path):
        return lambda said: setattr(said, "log", path)


def asked(rule, attempt=1):
    """Return what a rule's jobs ask for."""
    return {key: value({}, [], attempt) if callable(value) else value for key, value in rule.resources[1].items()}


def declared(name, output, command="python -m calcium_latents.commands.deconvolve", granted_as=(), of_job=None, **said):
    workflow = FakeWorkflow()
    defaults = RuleDefaults(workflow, RESOURCES, "base.yaml", of_job)
    defaults.granted_as |= dict(granted_as)
    defaults.install()
    unsaid = ("name", "input", "log", "priority", "conda_env", "threads", "resources", "params", "norun", "message")
    fields = dict.fromkeys(unsaid)
    rule = SimpleNamespace(**fields | {"shellcmd": command} | said)
    rule.output = SimpleNamespace(paths=(), kwpaths=output)
    rule.func = eval(f"lambda shell: shell({command!r})")  # what Snakemake makes of a rule
    workflow.rule(name=name)(rule)
    return workflow.rules[name]


def test_a_rule_that_says_nothing_is_completed():
    rule = declared("score", {"table": "results/{scale}/radical/{dataset}/scores.csv"})
    assert rule.log == "results/{scale}/logs/radical/{dataset}/score.log"
    assert (rule.conda_env, rule.threads) == ("base.yaml", 1)
    assert asked(rule) == {"mem_mb": 100, "runtime": 5, "gpu": 0}
    assert asked(rule, attempt=2) == {"mem_mb": 200, "runtime": 10, "gpu": 0}
    assert rule.params == ((), {"code": code("commands.deconvolve")})
    begin, threads, command = rule.shellcmd.split("; ")
    assert begin == "begin_job score {resources.gpu} {resources.mem_mb} {resources.runtime} {log:q}"
    assert threads.startswith("export OMP_NUM_THREADS=1 ")
    assert command == "python -m calcium_latents.commands.deconvolve"
    assert rule.func(str) == rule.shellcmd


def test_a_snakemake_that_runs_commands_otherwise_is_noticed():
    rule = SimpleNamespace(shellcmd="python", func=lambda shell: shell("another"))
    with pytest.raises(RuntimeError, match="runs commands otherwise"):
        _put_before(rule, "begin; ")


def test_a_command_computes_with_the_threads_of_the_scale():
    command = "python -m calcium_latents.commands.train threads=$OMP_NUM_THREADS processes={threads}"
    rule = declared("train", {"checkpoint": "results/{scale}/a.pt"}, command)
    given = dict(word.split("=") for word in rule.shellcmd.split("; ")[1].removeprefix("export ").split())
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"} <= set(given) and set(given.values()) == {"4"}
    assert rule.shellcmd.endswith(command)


def test_a_message_names_the_log():
    rule = declared("score", {"table": "results/{scale}/scores.csv"}, message="Score")
    assert rule.message == "Score\n    Log: {log}"
    assert declared("score", {"table": "results/{scale}/scores.csv"}).message is None


def test_what_a_rule_says_itself_stays():
    rule = declared(
        "fit",
        {"model": "results/smoke/a/{model}.pt"},
        threads=2,
        conda_env="own.yaml",
        log="own.log",
        resources=((), {"gpu": 7}),
        params=(("x",), {"code": "own", "seed": 1}),
    )
    assert (rule.log, rule.threads, rule.conda_env) == ("own.log", 2, "own.yaml")
    assert asked(rule) == {"mem_mb": 100, "runtime": 5, "gpu": 7}
    assert rule.params == (("x",), {"code": "own", "seed": 1})


def test_a_log_has_every_wildcard_of_the_output():
    rule = declared("worker", {"done": "results/{scale}/a/seed-{seed}/worker-{worker}.done"})
    assert rule.log == "results/{scale}/logs/a/seed-{seed}/worker-{worker}.log"


def test_a_rule_may_have_the_resources_of_another():
    rule = declared("worker", {"done": "results/{scale}/a.done"}, granted_as={"worker": "train"}.items())
    assert rule.threads == 4 and rule.resources[1]["gpu"] == 1


@pytest.mark.parametrize("said", [{"norun": True}, {"shellcmd": None}])
def test_rules_without_a_command_are_left_alone(said):
    command = said.pop("shellcmd", "python -m calcium_latents.commands.deconvolve")
    rule = declared("all", {}, command, **said)
    assert rule.log is None and rule.resources is None


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("{input.folders}", "found {input.folders}"),
        ("{output[0]}", "found {output[0]}"),
        ("{wildcards.dataset:>9}", "found {wildcards.dataset}"),
        ("> {log}", "found {log}"),
        ("'{params.label:q}'", "without quotes around it"),
        ('--x="{params.label:q}"', "without quotes around it"),
    ],
)
def test_a_field_that_the_shell_would_take_apart_is_refused(field, found):
    with pytest.raises(UserError, match="rule score, shell: expected ") as refused:
        declared("score", {"table": "results/{scale}/scores.csv"}, f"python -m calcium_latents.commands.figure {field}")
    assert found in str(refused.value)


def test_numbers_of_the_workflow_need_no_quotes():
    command = "[ {resources.gpu} ] && awk '{{print}}' {threads} {input:q} --label={params.label:q}"
    assert declared("score", {"table": "results/{scale}/scores.csv"}, command).shellcmd.endswith(f"; {command}")


def test_a_rule_that_is_used_as_another_has_a_priority_of_its_own():
    def of_job(rule, wildcards):
        return len(rule) + wildcards["n"]

    def rule(name, **said):
        return declared(name, {"table": "results/{scale}/a/b.csv"}, of_job=of_job, **said).priority

    first = rule("simulate")
    again = rule("simulate_all", priority=first)
    assert (first({"n": 1}), again({"n": 1})) == (9, 13)
    assert rule("own", priority=7) == 7
