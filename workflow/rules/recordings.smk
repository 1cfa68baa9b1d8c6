# Study `recordings`: a user's files -> recordings, trials, event rates, held-out scores


rule import_recording:
    input:
        unpack(recording_files),
    output:
        recording="results/{scale}/recordings/{dataset}/recording.nc",
    log:
        "results/{scale}/logs/recordings/{dataset}/import_recording.log",
    benchmark:
        "results/{scale}/benchmarks/recordings/{dataset}/import_recording.tsv"
    conda:
        BASE_ENVIRONMENT
    threads: resource("import_recording", "threads")
    resources:
        mem_mb=resource("import_recording", "mem_mb"),
        runtime=resource("import_recording", "runtime"),
        gpu=resource("import_recording", "gpu"),
    params:
        entry=import_parameters,
        base=lambda wildcards: shlex.quote(RECORDING_FOLDERS[wildcards.dataset]),
        seed=SEED,
        code=code("studies.recordings.commands.import_recording"),
    message:
        "Import {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.recordings.commands.import_recording --parameters {params.entry} --base-directory {params.base}"
        " --seed {params.seed} --output {output.recording} > {log} 2>&1"


# Held-out samples are hidden before windows are cut: a sample is then hidden from all windows that share it.
rule hide_samples:
    input:
        recording="results/{scale}/recordings/{dataset}/deconvolved.nc",
    output:
        recording="results/{scale}/recordings/{dataset}/shown.nc",
    log:
        "results/{scale}/logs/recordings/{dataset}/hide_samples.log",
    benchmark:
        "results/{scale}/benchmarks/recordings/{dataset}/hide_samples.tsv"
    conda:
        BASE_ENVIRONMENT
    threads: resource("hide_samples", "threads")
    resources:
        mem_mb=resource("hide_samples", "mem_mb"),
        runtime=resource("hide_samples", "runtime"),
        gpu=resource("hide_samples", "gpu"),
    params:
        fraction=SETTINGS["recordings"]["held_out_fraction"],
        seed=SEED,
        code=code("studies.recordings.commands.hide_samples"),
    message:
        "Hide samples of {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.recordings.commands.hide_samples --recording {input.recording} --fraction {params.fraction}"
        " --seed {params.seed} --output {output.recording} > {log} 2>&1"


rule cut_windows:
    input:
        unpack(trial_files),
        recording="results/{scale}/recordings/{dataset}/shown.nc",
    output:
        recording="results/{scale}/recordings/{dataset}/events.nc",
    log:
        "results/{scale}/logs/recordings/{dataset}/cut_windows.log",
    benchmark:
        "results/{scale}/benchmarks/recordings/{dataset}/cut_windows.tsv"
    conda:
        BASE_ENVIRONMENT
    threads: resource("cut_windows", "threads")
    resources:
        mem_mb=resource("cut_windows", "mem_mb"),
        runtime=resource("cut_windows", "runtime"),
        gpu=resource("cut_windows", "gpu"),
    params:
        windows=window_parameters,
        base=lambda wildcards: shlex.quote(RECORDING_FOLDERS[wildcards.dataset]),
        seed=SEED,
        code=code("studies.recordings.commands.cut_windows"),
    message:
        "Cut {wildcards.dataset} into trials"
    shell:
        "python -m calcium_latents.studies.recordings.commands.cut_windows --recording {input.recording} --parameters {params.windows}"
        " --base-directory {params.base} --seed {params.seed} --output {output.recording} > {log} 2>&1"


rule score_recording:
    input:
        recording="results/{scale}/recordings/{dataset}/deconvolved.nc",
        shown="results/{scale}/recordings/{dataset}/shown.nc",
        # baselines, smoothing among them, are made by the command itself (metrics/held_out.py)
        inferred=lambda wildcards: [
            box("recordings", wildcards.dataset, f"{run}/output.nc")
            for run in trained("recordings", wildcards.dataset)
        ],
    output:
        scores="results/{scale}/recordings/{dataset}/held_out_scores.csv",
        comparison="results/{scale}/recordings/{dataset}/held_out_comparison.csv",
    log:
        "results/{scale}/logs/recordings/{dataset}/score_recording.log",
    benchmark:
        "results/{scale}/benchmarks/recordings/{dataset}/score_recording.tsv"
    conda:
        BASE_ENVIRONMENT
    threads: resource("score_recording", "threads")
    resources:
        mem_mb=resource("score_recording", "mem_mb"),
        runtime=resource("score_recording", "runtime"),
        gpu=resource("score_recording", "gpu"),
    params:
        seed=SEED,
        code=code("studies.recordings.commands.score_recording"),
    message:
        "Score held-out samples of {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.recordings.commands.score_recording --recording {input.recording} --shown {input.shown} --inferred {input.inferred}"
        " --seed {params.seed} --scores {output.scores} --comparison {output.comparison} > {log} 2>&1"


rule write_event_rates:
    input:
        recording="results/{scale}/recordings/{dataset}/recording.nc",
        inferred="results/{scale}/recordings/{dataset}/{model}/seed-{seed}/output.nc",
    output:
        netcdf="results/{scale}/recordings/{dataset}/{model}/seed-{seed}/event_rates.nc",
        nwb="results/{scale}/recordings/{dataset}/{model}/seed-{seed}/event_rates.nwb",
    log:
        "results/{scale}/logs/recordings/{dataset}/{model}/seed-{seed}/write_event_rates.log",
    benchmark:
        "results/{scale}/benchmarks/recordings/{dataset}/{model}/seed-{seed}/write_event_rates.tsv"
    conda:
        BASE_ENVIRONMENT
    threads: resource("write_event_rates", "threads")
    resources:
        mem_mb=resource("write_event_rates", "mem_mb"),
        runtime=resource("write_event_rates", "runtime"),
        gpu=resource("write_event_rates", "gpu"),
    params:
        seed=SEED,
        code=code("studies.recordings.commands.write_event_rates"),
    message:
        "Write event rates of {wildcards.dataset} ({wildcards.model}, seed {wildcards.seed})"
    shell:
        "python -m calcium_latents.studies.recordings.commands.write_event_rates --recording {input.recording} --inferred {input.inferred}"
        " --seed {params.seed} --netcdf {output.netcdf} --nwb {output.nwb} > {log} 2>&1"


TARGETS["recordings"] = [
    [box("recordings", name, f"{run}/event_rates.nwb") for run in trained("recordings", name)]
    for name in recordings_of("recordings")
]
HOLDS_OUT = SETTINGS["recordings"]["held_out_fraction"] > 0
FIGURES["recordings"] = {
    f"real_recording-{name}": {
        "recording": box("recordings", name, "events.nc"),
        "inferred": box("recordings", name, f"{run}/output.nc"),
        **({"held_out": box("recordings", name, "held_out_comparison.csv")} if HOLDS_OUT else {}),
    }
    for name in recordings_of("recordings")
    for run in trained("recordings", name)[:1]
}
