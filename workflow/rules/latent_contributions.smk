# Study `latent_contributions`: which neurons drive the latents of other studies' models, and how well that can be known
from calcium_latents.studies.latent_contributions import study as latent_contributions_study

CONTRIBUTIONS = SETTINGS["latent_contributions"]
APPLICATIONS = latent_contributions_study.applications(PLAN)


rule contributions:
    input:
        unpack(lambda wildcards: latent_contributions_study.applied(PLAN, wildcards.application)),
    output:
        contributions="results/{scale}/latent_contributions/{application}/contributions.nc",
        transitions="results/{scale}/latent_contributions/{application}/transitions.csv",
        summary="results/{scale}/latent_contributions/{application}/summary.csv",
        identities="results/{scale}/latent_contributions/{application}/identities.csv",
    wildcard_constraints:
        application=one_of(APPLICATIONS),
    conda:
        TRAINING_ENVIRONMENT
    params:
        files=lambda wildcards, input: [
            f"--{name}={path}" for name, path in input.items() if name != "recording"
        ],
        method=lambda wildcards: APPLICATIONS[wildcards.application]["method"],
        options=lambda wildcards: word(APPLICATIONS[wildcards.application]["parameters"]),
        seed=SEED,
    message:
        "Contributions of neurons: {wildcards.application}"
    shell:
        "python -m calcium_latents.studies.latent_contributions.commands.contributions --recording {input.recording:q} {params.files:q} --method {params.method:q}"
        " --parameters {params.options:q} --seed {params.seed:q} --output {output.contributions:q} --transitions {output.transitions:q}"
        " --summary {output.summary:q} --identities {output.identities:q}"


rule roles_benchmark:
    output:
        scores="results/{scale}/latent_contributions/roles/scores.csv",
        example="results/{scale}/latent_contributions/roles/example.nc",
    params:
        options=word(CONTRIBUTIONS["roles_benchmark"]),
        seed=SEED,
    message:
        "Score roles of neurons in simulated networks"
    shell:
        "python -m calcium_latents.studies.latent_contributions.commands.roles_benchmark --parameters {params.options:q} --seed {params.seed:q}"
        " --scores {output.scores:q} --example {output.example:q}"
