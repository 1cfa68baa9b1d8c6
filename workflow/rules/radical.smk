# Study `radical` (Zhu et al. 2022): Lorenz latents seen through two-photon imaging
from calcium_latents.commands.simulate import SIMULATORS
from calcium_latents.studies.radical import study as radical_study

RADICAL = SETTINGS["radical"]
CONVERGENCE = RADICAL["convergence"]["dataset"]
# random searches show which metric a search may choose by
RANDOM_SEARCHES = checked(radical_study.searches, PLAN, "random")
RANDOM_FILES = partial(radical_study.search_files, PLAN, "random")


rule simulate:
    output:
        recording="results/{scale}/radical/{dataset}/recording.nc",
    params:
        simulator=RADICAL["simulator"],
        common=word(RADICAL["simulation"]),
        dataset=lambda wildcards: word(RADICAL["datasets"][wildcards.dataset]["parameters"]),
        seed=SEED,
        code=code("commands.simulate", SIMULATORS[RADICAL["simulator"]].removeprefix("calcium_latents.")),
    message:
        "Simulate radical/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.commands.simulate --simulator {params.simulator:q} --parameters {params.common:q}"
        " --parameters {params.dataset:q} --seed {params.seed:q} --output {output.recording:q}"


rule smooth:
    input:
        recording="results/{scale}/radical/{dataset}/events.nc",
    output:
        result="results/{scale}/radical/{dataset}/{model}/seed-{seed}/output.nc",
    wildcard_constraints:
        model=one_of(RADICAL["smoothing"]),
    params:
        options=lambda wildcards: word(RADICAL["smoothing"][wildcards.model]),
    message:
        "Smooth radical/{wildcards.dataset}: {wildcards.model}"
    shell:
        "python -m calcium_latents.studies.radical.commands.smooth --recording {input.recording:q} --name {wildcards.model:q}"
        " --parameters {params.options:q} --seed {wildcards.seed:q} --output {output.result:q}"


rule evaluate:
    input:
        recording="results/{scale}/radical/{dataset}/events.nc",
        inferred=lambda wildcards: PLAN.outputs("radical", wildcards.dataset),
    output:
        scores="results/{scale}/radical/{dataset}/scores.csv",
        lag_sweep="results/{scale}/radical/{dataset}/lag_sweep.csv",
        predictions="results/{scale}/radical/{dataset}/predictions.nc",
    params:
        allocator=ALLOCATOR,
        options=word(RADICAL["evaluation"]),
        label=lambda wildcards: RADICAL["datasets"][wildcards.dataset]["label_hz"],
    message:
        "Score all methods on radical/{wildcards.dataset}"
    shell:
        "env {params.allocator:q} python -m calcium_latents.studies.radical.commands.evaluate --recording {input.recording:q}"
        " --inferred {input.inferred:q} --dataset {wildcards.dataset:q} --frequency-hz {params.label:q}"
        " --parameters {params.options:q} --scores {output.scores:q} --lag-sweep {output.lag_sweep:q}"
        " --predictions {output.predictions:q}"


rule describe_simulation:
    input:
        recording="results/{scale}/radical/{dataset}/events.nc",
    output:
        simulation="results/{scale}/radical/{dataset}/simulation.csv",
        calibration="results/{scale}/radical/{dataset}/calibration.csv",
        spike_inference="results/{scale}/radical/{dataset}/spike_inference.csv",
    params:
        label=lambda wildcards: RADICAL["datasets"][wildcards.dataset]["label_hz"],
    message:
        "Describe radical/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.radical.commands.describe_simulation --recording {input.recording:q}"
        " --dataset {wildcards.dataset:q} --frequency-hz {params.label:q} --simulation {output.simulation:q}"
        " --calibration {output.calibration:q} --spike-inference {output.spike_inference:q}"


rule convergence:
    input:
        recording=PLAN.box("radical", CONVERGENCE, "events.nc"),
        snapshots=radical_study.convergence_files(PLAN, "snapshots.pt"),
        checkpoints=radical_study.convergence_files(PLAN, "checkpoint.pt"),
        configs=radical_study.convergence_files(PLAN, "config.yaml"),
        timing=radical_study.convergence_files(PLAN, "timing.csv"),
    output:
        table="results/{scale}/radical/convergence.csv",
        timing="results/{scale}/radical/convergence_timing.csv",
    conda:
        TRAINING_ENVIRONMENT
    params:
        allocator=ALLOCATOR,
        dataset=CONVERGENCE,
        options=word(RADICAL["evaluation"]),
    message:
        "Score the snapshots of training"
    shell:
        "env {params.allocator:q} python -m calcium_latents.studies.radical.commands.convergence --recording {input.recording:q}"
        " --snapshots {input.snapshots:q} --dataset {params.dataset:q} --parameters {params.options:q}"
        " --output {output.table:q} --timing {output.timing:q}"


rule score_population:
    input:
        recording="results/{scale}/radical/{dataset}/events.nc",
        checkpoints=lambda wildcards: RANDOM_FILES(wildcards.dataset, "checkpoint.pt"),
        metrics=lambda wildcards: RANDOM_FILES(wildcards.dataset, "metrics.csv"),
        configs=lambda wildcards: RANDOM_FILES(wildcards.dataset, "config.yaml"),
    output:
        recovery="results/{scale}/radical/{dataset}/population_recovery.csv",
    wildcard_constraints:
        dataset=one_of(RANDOM_SEARCHES),
    conda:
        TRAINING_ENVIRONMENT
    params:
        allocator=ALLOCATOR,
        options=word(RADICAL["evaluation"]),
    message:
        "Score the members of random searches on radical/{wildcards.dataset}"
    shell:
        "env {params.allocator:q} python -m calcium_latents.studies.radical.commands.score_population --recording {input.recording:q}"
        " --checkpoints {input.checkpoints:q} --dataset {wildcards.dataset:q} --parameters {params.options:q}"
        " --output {output.recovery:q}"
