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
        "python -m calcium_latents.studies.recordings.commands.import_recording --parameters {params.entry} --base-directory {params.base}"
        " --seed {params.seed} --output {output.recording} > {log} 2>&1"


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
        "python -m calcium_latents.studies.recordings.commands.hide_samples --recording {input.recording} --fraction {params.fraction} --run-s {params.run_s}"
        " --seed {params.seed} --output {output.recording} > {log} 2>&1"


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
        "python -m calcium_latents.studies.recordings.commands.cut_windows --recording {input.recording} --parameters {params.windows}"
        " --base-directory {params.base} --seed {params.seed} --output {output.recording} > {log} 2>&1"


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
        "python -m calcium_latents.studies.recordings.commands.fit_baselines --shown {input.shown} --seed {params.seed}"
        " --output-directory {params.folder} --co-smoothing {output.co_smoothing} > {log} 2>&1"


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
        "python -m calcium_latents.studies.recordings.commands.score_recording --recording {input.recording} --shown {input.shown}"
        " --baselines {input.baselines} --inferred {input.inferred} --seed {params.seed} --scores {output.scores}"
        " --comparison {output.comparison} > {log} 2>&1"


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
        "python -m calcium_latents.studies.recordings.commands.write_best --recording {input.recording} --windows {input.windows} --comparison {input.comparison}"
        " --baselines {input.baselines} --inferred {input.inferred} --seed {params.seed} --netcdf {output.netcdf}"
        " --nwb {output.nwb} > {log} 2>&1"


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
        "python -m calcium_latents.studies.recordings.commands.write_verdict --comparison {input.comparison} --inferred {input.inferred}"
        " --output {output.verdict} > {log} 2>&1"


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
        verdict=lambda wildcards, input: f"--verdict {input.verdict}" if "verdict" in input.keys() else "",
        seed=SEED,
    message:
        "Write event rates of {wildcards.dataset} ({wildcards.model}, seed {wildcards.seed})"
    shell:
        "python -m calcium_latents.studies.recordings.commands.write_event_rates --recording {input.recording} --windows {input.windows} --inferred {input.inferred}"
        " --configuration {input.configuration} {params.verdict}"
        " --seed {params.seed} --netcdf {output.netcdf} --nwb {output.nwb} > {log} 2>&1"
