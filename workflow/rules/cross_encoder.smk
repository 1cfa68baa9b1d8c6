# Study `cross_encoder`: the solvable network's theory, and the neural cross-encoder against reduced-rank regression
from calcium_latents.studies.recordings import study as recordings_study

CROSS_ENCODER = SETTINGS["cross_encoder"]
POPULATIONS = groups(PLAN, "cross_encoder")  # group -> names of datasets


rule solvable_network:
    output:
        ring="results/{scale}/cross_encoder/solvable_network/ring.nc",
        spectra="results/{scale}/cross_encoder/solvable_network/spectra.csv",
        process="results/{scale}/cross_encoder/solvable_network/gaussian_process.nc",
        checks="results/{scale}/cross_encoder/solvable_network/checks.csv",
    params:
        options=word(CROSS_ENCODER["solvable_network"]),
        seed=SEED,
    message:
        "Simulate the solvable network"
    shell:
        "python -m calcium_latents.studies.cross_encoder.commands.solvable_network --parameters {params.options:q} --seed {params.seed:q} --ring {output.ring:q}"
        " --spectra {output.spectra:q} --gaussian-process {output.process:q} --table {output.checks:q}"


rule simulate_population:
    output:
        recording="results/{scale}/cross_encoder/{dataset}/events.nc",
    wildcard_constraints:
        dataset=one_of(CROSS_ENCODER["datasets"]),
    params:
        common=word(CROSS_ENCODER["population"]),
        dataset=lambda wildcards: word(CROSS_ENCODER["datasets"][wildcards.dataset]["parameters"]),
        seed=lambda wildcards: CROSS_ENCODER["datasets"][wildcards.dataset].get("seed", SEED),
        code=code("commands.simulate", "simulation.latent_population.latent_population"),
    message:
        "Simulate cross_encoder/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.commands.simulate --simulator latent_population --parameters {params.common:q}"
        " --parameters {params.dataset:q} --seed {params.seed:q} --output {output.recording:q}"


rule resample_recording:
    input:
        unpack(lambda wildcards: recordings_study.trial_files(PLAN, wildcards.dataset)),
        recording="results/{scale}/recordings/{dataset}/deconvolved.nc",
    output:
        recording="results/{scale}/cross_encoder/{dataset}/events.nc",
    wildcard_constraints:
        dataset=one_of(POPULATIONS["recordings"]),
    params:
        rate=CROSS_ENCODER["rate_hz"],
        responses=lambda wildcards: checked(recordings_study.response_arguments, PLAN, wildcards.dataset),
        seed=SEED,
    message:
        "Resample {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.cross_encoder.commands.resample --recording {input.recording:q} --rate-hz {params.rate:q} {params.responses:q}"
        " --seed {params.seed:q} --output {output.recording:q}"


rule score_cross_encoder:
    input:
        recording="results/{scale}/cross_encoder/{dataset}/events.nc",
        metrics=lambda wildcards: [
            PLAN.box("cross_encoder", wildcards.dataset, f"{run}/metrics.csv")
            for run in PLAN.runs("cross_encoder", wildcards.dataset)
        ],
        inferred=lambda wildcards: PLAN.outputs("cross_encoder", wildcards.dataset),
    output:
        scores="results/{scale}/cross_encoder/{dataset}/scores.csv",
        normalised="results/{scale}/cross_encoder/{dataset}/normalised.csv",
        latents="results/{scale}/cross_encoder/{dataset}/latents.nc",
        running_speed="results/{scale}/cross_encoder/{dataset}/running_speed.csv",
        latent_recovery="results/{scale}/cross_encoder/{dataset}/latent_recovery.csv",
    wildcard_constraints:
        dataset=one_of(POPULATIONS["encoded"]),
    params:
        label=lambda wildcards: CROSS_ENCODER["datasets"]
        .get(wildcards.dataset, {})
        .get("label", wildcards.dataset),
        options=word(CROSS_ENCODER["running_speed"]),
    message:
        "Score all fits on cross_encoder/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.cross_encoder.commands.score_cross_encoder --recording {input.recording:q} --metrics {input.metrics:q}"
        " --inferred {input.inferred:q} --dataset {wildcards.dataset:q} --label={params.label:q} --parameters {params.options:q}"
        " --scores {output.scores:q} --normalised {output.normalised:q} --latents {output.latents:q}"
        " --running-speed {output.running_speed:q} --latent-recovery {output.latent_recovery:q}"
