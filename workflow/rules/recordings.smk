# Study `recordings`: a user's files -> recordings, trials, event rates, held-out scores
from calcium_latents.studies.recordings import study as recordings_study

BASE_FOLDER = per_dataset(lambda plan, name: plan.recording_folders[name])


rule import_recording:
    input:
        lambda wildcards: recordings_study.recording_files(PLAN, wildcards.dataset),
    output:
        recording="results/{scale}/recordings/{dataset}/recording.nc",
    params:
        entry=per_dataset(recordings_study.import_parameters),
        base=BASE_FOLDER,
        seed=SEED,
    message:
        "Import {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.recordings.commands.import_recording --parameters {params.entry:q} --base-directory {params.base:q}"
        " --seed {params.seed:q} --output {output.recording:q}"


# Held-out samples are hidden before windows are cut: a sample is then hidden from all windows that share it.
rule hide_samples:
    input:
        recording="results/{scale}/recordings/{dataset}/deconvolved.nc",
    output:
        recording="results/{scale}/recordings/{dataset}/shown.nc",
    params:
        fraction=SETTINGS["recordings"]["held_out_fraction"],
        run_s=SETTINGS["recordings"]["held_out_run_s"],
        seed=SEED,
    message:
        "Hide samples of {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.recordings.commands.hide_samples --recording {input.recording:q} --fraction {params.fraction:q} --run-s {params.run_s:q}"
        " --seed {params.seed:q} --output {output.recording:q}"


rule cut_windows:
    input:
        unpack(lambda wildcards: recordings_study.trial_files(PLAN, wildcards.dataset)),
        recording="results/{scale}/recordings/{dataset}/shown.nc",
    output:
        recording="results/{scale}/recordings/{dataset}/events.nc",
    params:
        windows=per_dataset(recordings_study.window_parameters),
        base=BASE_FOLDER,
        seed=SEED,
    message:
        "Cut {wildcards.dataset} into trials"
    shell:
        "python -m calcium_latents.studies.recordings.commands.cut_windows --recording {input.recording:q} --parameters {params.windows:q}"
        " --base-directory {params.base:q} --seed {params.seed:q} --output {output.recording:q}"


BASELINE_FILES = [
    f"results/{{scale}}/recordings/{{dataset}}/{recordings_study.baseline_file(method)}"
    for method in recordings_study.BASELINES
]


rule fit_baselines:
    input:
        shown="results/{scale}/recordings/{dataset}/shown.nc",
    output:
        co_smoothing="results/{scale}/recordings/{dataset}/baselines/co_smoothing.csv",
        baselines=BASELINE_FILES,
    params:
        folder=lambda wildcards: PLAN.box("recordings", wildcards.dataset, ""),
        seed=SEED,
    message:
        "Fit baselines to {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.recordings.commands.fit_baselines --shown {input.shown:q} --seed {params.seed:q}"
        " --output-directory {params.folder:q} --co-smoothing {output.co_smoothing:q}"


rule score_recording:
    input:
        recording="results/{scale}/recordings/{dataset}/deconvolved.nc",
        shown="results/{scale}/recordings/{dataset}/shown.nc",
        baselines=BASELINE_FILES,
        inferred=lambda wildcards: recordings_study.inferred_files(PLAN, wildcards.dataset),
    output:
        scores="results/{scale}/recordings/{dataset}/held_out_scores.csv",
        comparison="results/{scale}/recordings/{dataset}/held_out_comparison.csv",
    params:
        seed=SEED,
    message:
        "Score held-out samples of {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.recordings.commands.score_recording --recording {input.recording:q} --shown {input.shown:q}"
        " --baselines {input.baselines:q} --inferred {input.inferred:q} --seed {params.seed:q} --scores {output.scores:q}"
        " --comparison {output.comparison:q}"


rule write_best:
    input:
        recording="results/{scale}/recordings/{dataset}/recording.nc",
        windows="results/{scale}/recordings/{dataset}/events.nc",
        comparison="results/{scale}/recordings/{dataset}/held_out_comparison.csv",
        baselines=BASELINE_FILES,
        inferred=lambda wildcards: recordings_study.inferred_files(PLAN, wildcards.dataset),
    output:
        netcdf="results/{scale}/recordings/{dataset}/best/event_rates.nc",
        nwb="results/{scale}/recordings/{dataset}/best/event_rates.nwb",
    params:
        seed=SEED,
    message:
        "Write the best event rates of {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.recordings.commands.write_best --recording {input.recording:q} --windows {input.windows:q} --comparison {input.comparison:q}"
        " --baselines {input.baselines:q} --inferred {input.inferred:q} --seed {params.seed:q} --netcdf {output.netcdf:q}"
        " --nwb {output.nwb:q}"


# What Snakefile prints at the end of a run.
rule write_verdict:
    input:
        comparison="results/{scale}/recordings/{dataset}/held_out_comparison.csv",
        inferred=lambda wildcards: recordings_study.inferred_files(PLAN, wildcards.dataset),
    output:
        verdict="results/{scale}/recordings/{dataset}/verdict.txt",
    message:
        "Compare {wildcards.dataset} with its baselines"
    shell:
        "python -m calcium_latents.studies.recordings.commands.write_verdict --comparison {input.comparison:q} --inferred {input.inferred:q}"
        " --output {output.verdict:q}"


rule write_event_rates:
    input:
        unpack(lambda wildcards: recordings_study.verdict_files(PLAN, wildcards.dataset)),
        recording="results/{scale}/recordings/{dataset}/recording.nc",
        windows="results/{scale}/recordings/{dataset}/events.nc",
        inferred="results/{scale}/recordings/{dataset}/{model}/seed-{seed}/output.nc",
        configuration="results/{scale}/recordings/{dataset}/{model}/seed-{seed}/config.yaml",
    output:
        netcdf="results/{scale}/recordings/{dataset}/{model}/seed-{seed}/event_rates.nc",
        nwb="results/{scale}/recordings/{dataset}/{model}/seed-{seed}/event_rates.nwb",
    params:
        verdict=lambda wildcards, input: [
            f"--verdict={path}" for name, path in input.items() if name == "verdict"
        ],
        seed=SEED,
    message:
        "Write event rates of {wildcards.dataset} ({wildcards.model}, seed {wildcards.seed})"
    shell:
        "python -m calcium_latents.studies.recordings.commands.write_event_rates --recording {input.recording:q} --windows {input.windows:q} --inferred {input.inferred:q}"
        " --configuration {input.configuration:q} {params.verdict:q}"
        " --seed {params.seed:q} --netcdf {output.netcdf:q} --nwb {output.nwb:q}"
