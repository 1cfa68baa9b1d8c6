# Study `latent_contributions`: which neurons drive the latents of other studies' models, and how well that can be known
CONTRIBUTIONS = SETTINGS["latent_contributions"]


def find_applications():
    """Return name -> settings of every application whose study and dataset take part in this run."""
    found = {}
    for name, choice in CONTRIBUTIONS["applications"].items():
        study = choice["study"]
        if study not in STUDIES:
            notice(f"latent contributions '{name}' are left out: study '{study}' is not run.")
        elif choice["dataset"] == "each recording":
            found |= {f"{name}-{one}": {**choice, "dataset": one} for one in recordings_of(study)}
        elif choice["dataset"] in datasets(study):
            found[name] = choice
        else:
            notice(
                f"latent contributions '{name}' are left out: dataset '{choice['dataset']}' of '{study}' is not run."
            )
    return found


APPLICATIONS = find_applications()


def applied(wildcards):
    """Return the files that an application reads: the recording, and what a model made of it."""
    choice = APPLICATIONS[wildcards.application]
    files = {"recording": box(choice["study"], choice["dataset"], choice["recording"])}
    if "model" in choice:
        first = SETTINGS[choice["study"]]["seeds"][0]
        folder = f"{choice['model']}/seed-{first}"
        files["inferred"] = box(choice["study"], choice["dataset"], f"{folder}/inferred.nc")
        if choice["method"] == "integrated_gradients":
            files["checkpoint"] = box(choice["study"], choice["dataset"], f"{folder}/checkpoint.pt")
    return files


rule contributions:
    input:
        unpack(applied),
    output:
        contributions="results/{scale}/latent_contributions/{application}/contributions.nc",
        transitions="results/{scale}/latent_contributions/{application}/transitions.csv",
        summary="results/{scale}/latent_contributions/{application}/summary.csv",
        identities="results/{scale}/latent_contributions/{application}/identities.csv",
    log:
        "results/{scale}/logs/latent_contributions/{application}/contributions.log",
    benchmark:
        "results/{scale}/benchmarks/latent_contributions/{application}/contributions.tsv"
    wildcard_constraints:
        application=one_of(APPLICATIONS),
    conda:
        "../../envs/training.yaml"
    threads: resource("contributions", "threads")
    resources:
        mem_mb=resource("contributions", "mem_mb"),
        runtime=resource("contributions", "runtime"),
        gpu=resource("contributions", "gpu"),
    params:
        files=lambda wildcards, input: " ".join(
            f"--{name} {shlex.quote(path)}" for name, path in input.items() if name != "recording"
        ),
        method=lambda wildcards: APPLICATIONS[wildcards.application]["method"],
        options=lambda wildcards: shlex.quote(json.dumps(APPLICATIONS[wildcards.application]["parameters"])),
        seed=SEED,
        code=code("commands.contributions"),
    message:
        "Contributions of neurons: {wildcards.application}"
    shell:
        "python -m calcium_latents.commands.contributions --recording {input.recording} {params.files} --method {params.method}"
        " --parameters {params.options} --seed {params.seed} --output {output.contributions} --transitions {output.transitions}"
        " --summary {output.summary} --identities {output.identities} > {log} 2>&1"


rule roles_benchmark:
    output:
        scores="results/{scale}/latent_contributions/roles/scores.csv",
        example="results/{scale}/latent_contributions/roles/example.nc",
    log:
        "results/{scale}/logs/latent_contributions/roles_benchmark.log",
    benchmark:
        "results/{scale}/benchmarks/latent_contributions/roles_benchmark.tsv"
    conda:
        BASE_ENVIRONMENT
    threads: resource("roles_benchmark", "threads")
    resources:
        mem_mb=resource("roles_benchmark", "mem_mb"),
        runtime=resource("roles_benchmark", "runtime"),
        gpu=resource("roles_benchmark", "gpu"),
    params:
        options=shlex.quote(json.dumps(CONTRIBUTIONS["roles_benchmark"])),
        seed=SEED,
        code=code("commands.roles_benchmark"),
    message:
        "Score roles of neurons in simulated networks"
    shell:
        "python -m calcium_latents.commands.roles_benchmark --parameters {params.options} --seed {params.seed}"
        " --scores {output.scores} --example {output.example} > {log} 2>&1"


def of_application(name, file):
    """Return the path of a file of an application."""
    return f"results/{SCALE}/latent_contributions/{name}/{file}"


ROLES = {"scores": of_application("roles", "scores.csv"), "example": of_application("roles", "example.nc")}
FIGURES["latent_contributions"] = {
    "transition_roles": ROLES,
    "lagged_influence": ROLES,
    **{
        f"latent_contributions-{name}": {
            "contributions": of_application(name, "contributions.nc"),
            "summary": of_application(name, "summary.csv"),
        }
        for name in APPLICATIONS
    },
}
CLAIMS["latent_contributions.roles"] = ROLES["scores"]
if APPLICATIONS:
    CLAIMS["latent_contributions.identities"] = [
        of_application(name, "identities.csv") for name in APPLICATIONS
    ]
