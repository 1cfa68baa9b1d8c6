# Study `radical` (Zhu et al. 2022): Lorenz latents seen through two-photon imaging
RADICAL = SETTINGS["radical"]
ACTIVITY = RADICAL["figures"]["activity"]
EXAMPLES = RADICAL["figures"]["examples"]
CONVERGENCE = RADICAL["convergence"]["dataset"]
CONVERGENCE_RUNS = [
    run for run in trained("radical", CONVERGENCE) if model_of(run) in RADICAL["convergence"]["models"]
]


rule describe_simulation:
    input:
        recording="results/{scale}/radical/{dataset}/events.nc",
    output:
        simulation="results/{scale}/radical/{dataset}/simulation.csv",
        calibration="results/{scale}/radical/{dataset}/calibration.csv",
        spike_inference="results/{scale}/radical/{dataset}/spike_inference.csv",
    log:
        "results/{scale}/logs/radical/{dataset}/describe_simulation.log",
    benchmark:
        "results/{scale}/benchmarks/radical/{dataset}/describe_simulation.tsv"
    conda:
        BASE_ENVIRONMENT
    threads: resource("describe_simulation", "threads")
    resources:
        mem_mb=resource("describe_simulation", "mem_mb"),
        runtime=resource("describe_simulation", "runtime"),
        gpu=resource("describe_simulation", "gpu"),
    params:
        label=lambda wildcards: RADICAL["datasets"][wildcards.dataset]["label_hz"],
        code=code("studies.radical.commands.describe_simulation"),
    message:
        "Describe radical/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.radical.commands.describe_simulation --recording {input.recording}"
        " --dataset {wildcards.dataset} --frequency-hz {params.label} --simulation {output.simulation} --calibration {output.calibration}"
        " --spike-inference {output.spike_inference} > {log} 2>&1"


rule convergence:
    input:
        recording=box("radical", CONVERGENCE, "events.nc"),
        snapshots=[box("radical", CONVERGENCE, f"{run}/snapshots.pt") for run in CONVERGENCE_RUNS],
        checkpoints=[box("radical", CONVERGENCE, f"{run}/checkpoint.pt") for run in CONVERGENCE_RUNS],
    output:
        table="results/{scale}/radical/convergence.csv",
    log:
        "results/{scale}/logs/radical/convergence.log",
    benchmark:
        "results/{scale}/benchmarks/radical/convergence.tsv"
    conda:
        "../../envs/training.yaml"
    threads: resource("convergence", "threads")
    resources:
        mem_mb=resource("convergence", "mem_mb"),
        runtime=resource("convergence", "runtime"),
        gpu=resource("convergence", "gpu"),
    params:
        dataset=CONVERGENCE,
        options=shlex.quote(json.dumps(RADICAL["evaluation"])),
        code=code("studies.radical.commands.convergence"),
    message:
        "Score the snapshots of training"
    shell:
        "python -m calcium_latents.studies.radical.commands.convergence --recording {input.recording} --snapshots {input.snapshots}"
        " --dataset {params.dataset} --parameters {params.options} --output {output.table} > {log} 2>&1"


FIGURES["radical"] = {
    "radical_figure2": {
        "recording": box("radical", ACTIVITY, "events.nc"),
        "inferred": inferred_of("radical", ACTIVITY),
        "predictions": boxes("radical", EXAMPLES, "predictions.nc"),
        "scores": boxes("radical", RADICAL["run"], "scores.csv"),
    },
    "radical_extended_data1": {"recording": boxes("radical", first(ACTIVITY, RADICAL["run"]), "events.nc")},
    "radical_extended_data2": {"recording": box("radical", ACTIVITY, "events.nc")},
    "radical_supplementary1": {"scores": boxes("radical", RADICAL["run"], "scores.csv")},
    "radical_convergence": {
        "convergence": f"results/{SCALE}/radical/convergence.csv",
        "scores": box("radical", CONVERGENCE, "scores.csv"),
    },
    "selection_metric": {"convergence": f"results/{SCALE}/radical/convergence.csv"},
    "calibration": {"calibration": boxes("radical", RADICAL["run"], "calibration.csv")},
}

for table in ("scores", "lag_sweep", "simulation", "calibration"):
    CLAIMS[f"radical.{table}"] = boxes("radical", RADICAL["run"], f"{table}.csv")
