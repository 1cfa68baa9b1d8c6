# Study `cross_encoder`: the solvable network's theory, and the neural cross-encoder against reduced-rank regression
CROSS_ENCODER = SETTINGS["cross_encoder"]
ENCODED_RECORDINGS = recordings_of("cross_encoder")
ENCODED = [*CROSS_ENCODER["run"], *ENCODED_RECORDINGS]
for taken in set(ENCODED_RECORDINGS) & {*CROSS_ENCODER["datasets"], "solvable_network", "figures"}:
    raise WorkflowError(
        f"{SETTINGS['recordings_file']}, field 'recordings.{taken}': expected another name, since '{taken}' is one of"
        " the cross-encoder's own. Rename the entry, or leave cross_encoder out of its studies."
    )


rule solvable_network:
    output:
        ring="results/{scale}/cross_encoder/solvable_network/ring.nc",
        spectra="results/{scale}/cross_encoder/solvable_network/spectra.csv",
        process="results/{scale}/cross_encoder/solvable_network/gaussian_process.nc",
        checks="results/{scale}/cross_encoder/solvable_network/checks.csv",
    log:
        "results/{scale}/logs/cross_encoder/solvable_network.log",
    benchmark:
        "results/{scale}/benchmarks/cross_encoder/solvable_network.tsv"
    conda:
        BASE_ENVIRONMENT
    threads: resource("solvable_network", "threads")
    resources:
        mem_mb=resource("solvable_network", "mem_mb"),
        runtime=resource("solvable_network", "runtime"),
        gpu=resource("solvable_network", "gpu"),
    params:
        options=shlex.quote(json.dumps(CROSS_ENCODER["solvable_network"])),
        seed=SEED,
        code=code("studies.cross_encoder.commands.solvable_network"),
    message:
        "Simulate the solvable network"
    shell:
        "python -m calcium_latents.studies.cross_encoder.commands.solvable_network --parameters {params.options} --seed {params.seed} --ring {output.ring}"
        " --spectra {output.spectra} --gaussian-process {output.process} --table {output.checks} > {log} 2>&1"


rule simulate_population:
    output:
        recording="results/{scale}/cross_encoder/{dataset}/events.nc",
    log:
        "results/{scale}/logs/cross_encoder/{dataset}/simulate_population.log",
    benchmark:
        "results/{scale}/benchmarks/cross_encoder/{dataset}/simulate_population.tsv"
    wildcard_constraints:
        dataset=one_of(CROSS_ENCODER["datasets"]),
    conda:
        BASE_ENVIRONMENT
    threads: resource("simulate", "threads")
    resources:
        mem_mb=resource("simulate", "mem_mb"),
        runtime=resource("simulate", "runtime"),
        gpu=resource("simulate", "gpu"),
    params:
        common=shlex.quote(json.dumps(CROSS_ENCODER["population"])),
        dataset=lambda wildcards: shlex.quote(
            json.dumps(CROSS_ENCODER["datasets"][wildcards.dataset]["parameters"])
        ),
        seed=lambda wildcards: CROSS_ENCODER["datasets"][wildcards.dataset].get("seed", SEED),
        code=code("commands.simulate", "simulation.latent_population.latent_population"),
    message:
        "Simulate cross_encoder/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.commands.simulate --simulator latent_population --parameters {params.common}"
        " --parameters {params.dataset} --seed {params.seed} --output {output.recording} > {log} 2>&1"


rule resample_recording:
    input:
        unpack(trial_files),
        recording="results/{scale}/recordings/{dataset}/deconvolved.nc",
    output:
        recording="results/{scale}/cross_encoder/{dataset}/events.nc",
    log:
        "results/{scale}/logs/cross_encoder/{dataset}/resample_recording.log",
    benchmark:
        "results/{scale}/benchmarks/cross_encoder/{dataset}/resample_recording.tsv"
    wildcard_constraints:
        dataset=one_of(ENCODED_RECORDINGS),
    conda:
        BASE_ENVIRONMENT
    threads: resource("resample_recording", "threads")
    resources:
        mem_mb=resource("resample_recording", "mem_mb"),
        runtime=resource("resample_recording", "runtime"),
        gpu=resource("resample_recording", "gpu"),
    params:
        rate=CROSS_ENCODER["rate_hz"],
        responses=response_arguments,
        seed=SEED,
        code=code("studies.cross_encoder.commands.resample"),
    message:
        "Resample {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.cross_encoder.commands.resample --recording {input.recording} --rate-hz {params.rate} {params.responses}"
        " --seed {params.seed} --output {output.recording} > {log} 2>&1"


rule score_cross_encoder:
    input:
        recording="results/{scale}/cross_encoder/{dataset}/events.nc",
        metrics=lambda wildcards: [
            box("cross_encoder", wildcards.dataset, f"{run}/metrics.csv")
            for run in runs("cross_encoder", wildcards.dataset)
        ],
        inferred=lambda wildcards: inferred_of("cross_encoder", wildcards.dataset),
    output:
        scores="results/{scale}/cross_encoder/{dataset}/scores.csv",
        normalised="results/{scale}/cross_encoder/{dataset}/normalised.csv",
        latents="results/{scale}/cross_encoder/{dataset}/latents.nc",
        running_speed="results/{scale}/cross_encoder/{dataset}/running_speed.csv",
        latent_recovery="results/{scale}/cross_encoder/{dataset}/latent_recovery.csv",
    log:
        "results/{scale}/logs/cross_encoder/{dataset}/score_cross_encoder.log",
    benchmark:
        "results/{scale}/benchmarks/cross_encoder/{dataset}/score_cross_encoder.tsv"
    wildcard_constraints:
        dataset=one_of(ENCODED),
    conda:
        BASE_ENVIRONMENT
    threads: resource("score_cross_encoder", "threads")
    resources:
        mem_mb=resource("score_cross_encoder", "mem_mb"),
        runtime=resource("score_cross_encoder", "runtime"),
        gpu=resource("score_cross_encoder", "gpu"),
    params:
        label=lambda wildcards: shlex.quote(
            CROSS_ENCODER["datasets"].get(wildcards.dataset, {}).get("label", wildcards.dataset)
        ),
        options=shlex.quote(json.dumps(CROSS_ENCODER["running_speed"])),
        code=code("studies.cross_encoder.commands.score_cross_encoder"),
    message:
        "Score all fits on cross_encoder/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.cross_encoder.commands.score_cross_encoder --recording {input.recording} --metrics {input.metrics}"
        " --inferred {input.inferred} --dataset {wildcards.dataset} --label {params.label} --parameters {params.options}"
        " --scores {output.scores} --normalised {output.normalised} --latents {output.latents}"
        " --running-speed {output.running_speed} --latent-recovery {output.latent_recovery} > {log} 2>&1"


THEORY = f"results/{SCALE}/cross_encoder/solvable_network"
SESSIONS = [
    name
    for name in CROSS_ENCODER["run"]
    if CROSS_ENCODER["datasets"][name]["parameters"].get("paradigm") == "spontaneous"
]
FIGURES["cross_encoder"] = {
    "cross_encoder_figure1": {"ring": f"{THEORY}/ring.nc"},
    "cross_encoder_figure2": {"spectra": f"{THEORY}/spectra.csv", "checks": f"{THEORY}/checks.csv"},
    "gaussian_process_limit": {"gaussian_process": f"{THEORY}/gaussian_process.nc"},
    "cross_encoder_figure3": {
        "scores": boxes("cross_encoder", CROSS_ENCODER["run"], "scores.csv"),
        "normalised": boxes("cross_encoder", CROSS_ENCODER["run"], "normalised.csv"),
    },
}
if SESSIONS:
    FIGURES["cross_encoder"]["cross_encoder_figure4"] = {
        "latents": boxes("cross_encoder", SESSIONS, "latents.nc"),
        "running_speed": boxes("cross_encoder", SESSIONS, "running_speed.csv"),
        "latent_recovery": boxes("cross_encoder", SESSIONS, "latent_recovery.csv"),
    }
if ENCODED_RECORDINGS:
    FIGURES["cross_encoder"]["cross_encoder_recordings"] = {
        "scores": boxes("cross_encoder", ENCODED_RECORDINGS, "scores.csv")
    }

CLAIMS["cross_encoder.checks"] = f"{THEORY}/checks.csv"
for table in ("scores", "normalised", "running_speed"):
    CLAIMS[f"cross_encoder.{table}"] = boxes("cross_encoder", ENCODED, f"{table}.csv")
