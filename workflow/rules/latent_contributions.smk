# Study `latent_contributions`: which neurons drive the latents of other studies' models, and how well that can be known
CONTRIBUTIONS = SETTINGS["latent_contributions"]


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
        code=code("studies.latent_contributions.commands.contributions"),
    message:
        "Contributions of neurons: {wildcards.application}"
    shell:
        "python -m calcium_latents.studies.latent_contributions.commands.contributions --recording {input.recording} {params.files} --method {params.method}"
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
        code=code("studies.latent_contributions.commands.roles_benchmark"),
    message:
        "Score roles of neurons in simulated networks"
    shell:
        "python -m calcium_latents.studies.latent_contributions.commands.roles_benchmark --parameters {params.options} --seed {params.seed}"
        " --scores {output.scores} --example {output.example} > {log} 2>&1"


ROLES = {
    "scores": box("latent_contributions", "roles", "scores.csv"),
    "example": box("latent_contributions", "roles", "example.nc"),
}
FIGURES["latent_contributions"] = {
    "transition_roles": ROLES,
    "lagged_influence": ROLES,
    **{
        f"latent_contributions-{name}": {
            "contributions": box("latent_contributions", name, "contributions.nc"),
            "summary": box("latent_contributions", name, "summary.csv"),
        }
        for name in APPLICATIONS
    },
}
CLAIMS["latent_contributions.roles"] = ROLES["scores"]
if APPLICATIONS:
    CLAIMS["latent_contributions.identities"] = [
        box("latent_contributions", name, "identities.csv") for name in APPLICATIONS
    ]
