# Study `digital_twin`: models of responses to images, bar codes, experiments in silico, on simulated and real neurons
from calcium_latents.studies.digital_twin import study as digital_twin_study

TWIN = SETTINGS["digital_twin"]
NEURONS = groups(PLAN, "digital_twin")  # group -> key -> dataset
TWIN_RUN = f"digital_twin/seed-{TWIN['seeds'][0]}"  # whose bar codes and experiments are shown
GLM_RUN = f"poisson_glm/seed-{TWIN['seeds'][0]}"
IMAGE_LABEL = per_dataset(digital_twin_study.label)


rule simulate_visual_cortex:
    output:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
    wildcard_constraints:
        dataset=one_of(NEURONS["simulated"]),
    params:
        options=lambda wildcards: word(
            merge(TWIN["simulated"], TWIN["datasets"][wildcards.dataset]["parameters"])
        ),
        label=IMAGE_LABEL,
        seed=SEED,
    message:
        "Simulate visual cortex: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.simulate_visual_cortex --parameters {params.options:q} --label={params.label:q}"
        " --seed {params.seed:q} --output {output.responses:q}"


rule import_image_responses:
    input:
        files=lambda wildcards: checked(digital_twin_study.response_files, PLAN, wildcards.dataset),
    output:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
    wildcard_constraints:
        dataset=one_of(NEURONS["imported"]),
    params:
        options=lambda wildcards: word(TWIN["datasets"][wildcards.dataset]["recording"]),
        label=IMAGE_LABEL,
        folder=per_dataset(digital_twin_study.response_folder),
        seed=SEED,
    message:
        "Import responses to images: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.import_image_responses --parameters {params.options:q} --label={params.label:q}"
        " --folder {params.folder:q} --seed {params.seed:q} --output {output.responses:q}"


rule score_image_predictions:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        predictions=lambda wildcards: PLAN.outputs("digital_twin", wildcards.dataset),
    output:
        scores="results/{scale}/digital_twin/{dataset}/scores.csv",
    wildcard_constraints:
        dataset=one_of(NEURONS["datasets"]),
    params:
        predictions=lambda wildcards, input: methods(
            input.predictions, "digital_twin", wildcards.dataset, "prediction"
        ),
        label=IMAGE_LABEL,
        seed=SEED,
    message:
        "Score predictions of responses to images: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.score_image_predictions --responses {input.responses:q} {params.predictions:q}"
        " --dataset {wildcards.dataset:q} --label={params.label:q} --seed {params.seed:q} --output {output.scores:q}"


rule align_bar_codes:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        predictions=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/output.nc",
    output:
        bar_codes="results/{scale}/digital_twin/{dataset}/bar_codes.nc",
        table="results/{scale}/digital_twin/{dataset}/alignment.csv",
        timing="results/{scale}/digital_twin/{dataset}/alignment_timing.csv",
    wildcard_constraints:
        dataset=one_of(NEURONS["probed"].values()),
    params:
        options=word(TWIN["bar_codes"]),
        label=IMAGE_LABEL,
        seed=SEED,
    message:
        "Align bar codes: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.align_bar_codes --responses {input.responses:q} --predictions {input.predictions:q}"
        " --dataset {wildcards.dataset:q} --label={params.label:q} --parameters {params.options:q} --seed {params.seed:q}"
        " --output {output.bar_codes:q} --table {output.table:q} --timing {output.timing:q}"


rule find_optimal_stimuli:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        checkpoint=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/checkpoint.pt",
        predictions=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/output.nc",
        bar_codes="results/{scale}/digital_twin/{dataset}/bar_codes.nc",
    output:
        gabors="results/{scale}/digital_twin/{dataset}/optimal_gabors.csv",
        differences="results/{scale}/digital_twin/{dataset}/differences_of_gaussians.csv",
        check="results/{scale}/digital_twin/{dataset}/search_check.csv",
    wildcard_constraints:
        dataset=one_of(NEURONS["probed"].values()),
    conda:
        TRAINING_ENVIRONMENT
    params:
        options=word(TWIN["optimal_stimuli"]),
    message:
        "Find optimal Gabors and differences of Gaussians: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.find_optimal_stimuli --responses {input.responses:q} --checkpoint {input.checkpoint:q}"
        " --predictions {input.predictions:q} --bar-codes {input.bar_codes:q} --parameters {params.options:q}"
        " --gabors {output.gabors:q} --differences {output.differences:q} --check {output.check:q} --accelerator $accelerator"


rule run_experiments:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        checkpoint=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/checkpoint.pt",
        bar_codes="results/{scale}/digital_twin/{dataset}/bar_codes.nc",
        gabors="results/{scale}/digital_twin/{dataset}/optimal_gabors.csv",
    output:
        tuning="results/{scale}/digital_twin/{dataset}/tuning.nc",
        indices="results/{scale}/digital_twin/{dataset}/indices.csv",
    wildcard_constraints:
        dataset=one_of(NEURONS["probed"].values()),
    conda:
        TRAINING_ENVIRONMENT
    params:
        options=word(TWIN["experiments"]),
    message:
        "Run experiments in silico: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.run_experiments --responses {input.responses:q} --checkpoint {input.checkpoint:q}"
        " --bar-codes {input.bar_codes:q} --gabors {input.gabors:q} --parameters {params.options:q}"
        " --tuning {output.tuning:q} --indices {output.indices:q} --accelerator $accelerator"


rule find_meis:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        checkpoint=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/checkpoint.pt",
        predictions=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/output.nc",
        bar_codes="results/{scale}/digital_twin/{dataset}/bar_codes.nc",
        gabors="results/{scale}/digital_twin/{dataset}/optimal_gabors.csv",
        differences="results/{scale}/digital_twin/{dataset}/differences_of_gaussians.csv",
        scores="results/{scale}/digital_twin/{dataset}/scores.csv",
    output:
        meis="results/{scale}/digital_twin/{dataset}/meis.nc",
        comparison="results/{scale}/digital_twin/{dataset}/stimulus_comparison.csv",
        clusters="results/{scale}/digital_twin/{dataset}/cluster_meis.csv",
    wildcard_constraints:
        dataset=one_of(NEURONS["probed"].values()),
    conda:
        TRAINING_ENVIRONMENT
    params:
        options=word(TWIN["meis"]),
        seed=SEED,
    message:
        "Find most exciting images: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.find_meis --responses {input.responses:q} --checkpoint {input.checkpoint:q}"
        " --predictions {input.predictions:q} --bar-codes {input.bar_codes:q} --gabors {input.gabors:q} --differences {input.differences:q}"
        " --scores {input.scores:q} --parameters {params.options:q} --seed {params.seed:q} --output {output.meis:q}"
        " --comparison {output.comparison:q} --clusters {output.clusters:q} --accelerator $accelerator"


rule summarise_properties:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        bar_codes="results/{scale}/digital_twin/{dataset}/bar_codes.nc",
        indices="results/{scale}/digital_twin/{dataset}/indices.csv",
        comparison="results/{scale}/digital_twin/{dataset}/stimulus_comparison.csv",
        scores="results/{scale}/digital_twin/{dataset}/scores.csv",
    output:
        properties="results/{scale}/digital_twin/{dataset}/properties.csv",
        tests="results/{scale}/digital_twin/{dataset}/cluster_tests.csv",
        independence="results/{scale}/digital_twin/{dataset}/independence.csv",
        combinations="results/{scale}/digital_twin/{dataset}/combinations.csv",
    wildcard_constraints:
        dataset=one_of(NEURONS["probed"].values()),
    params:
        options=word(TWIN["properties"]),
        label=IMAGE_LABEL,
        seed=SEED,
    message:
        "Summarise properties of neurons and clusters: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.summarise_properties --responses {input.responses:q} --indices {input.indices:q}"
        " --comparison {input.comparison:q} --scores {input.scores:q} --bar-codes {input.bar_codes:q} --dataset {wildcards.dataset:q}"
        " --label={params.label:q} --parameters {params.options:q} --seed {params.seed:q} --properties {output.properties:q}"
        " --cluster-tests {output.tests:q} --independence {output.independence:q} --combinations {output.combinations:q}"


rule select_gabors:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        checkpoint=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/checkpoint.pt",
        gabors="results/{scale}/digital_twin/{dataset}/optimal_gabors.csv",
    output:
        gabors="results/{scale}/digital_twin/{dataset}/scan_gabors.csv",
        coverage="results/{scale}/digital_twin/{dataset}/scan_coverage.csv",
        curves="results/{scale}/digital_twin/{dataset}/scan_curves.csv",
    wildcard_constraints:
        dataset=one_of(NEURONS["scanned"].values()),
    conda:
        TRAINING_ENVIRONMENT
    params:
        options=word(TWIN["gabor_selection"]),
    message:
        "Select Gabors for a second scan: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.select_gabors --responses {input.responses:q} --checkpoint {input.checkpoint:q}"
        " --gabors {input.gabors:q} --parameters {params.options:q} --output {output.gabors:q} --coverage {output.coverage:q}"
        " --curves {output.curves:q} --accelerator $accelerator"


rule record_gabor_scan:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        gabors="results/{scale}/digital_twin/{dataset}/scan_gabors.csv",
    output:
        scan="results/{scale}/digital_twin/{dataset}/gabor_scan.nc",
    wildcard_constraints:
        dataset=one_of(NEURONS["scanned"].values()),
    params:
        options=word(TWIN["gabor_scan"]),
        seed=SEED,
    message:
        "Record a second scan of the same neurons: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.record_gabor_scan --responses {input.responses:q} --gabors {input.gabors:q}"
        " --parameters {params.options:q} --seed {params.seed:q} --output {output.scan:q}"


rule compare_gabor_scan:
    input:
        scan="results/{scale}/digital_twin/{dataset}/gabor_scan.nc",
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        checkpoint=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/checkpoint.pt",
        gabors="results/{scale}/digital_twin/{dataset}/optimal_gabors.csv",
        scan_gabors="results/{scale}/digital_twin/{dataset}/scan_gabors.csv",
        glm=f"results/{{scale}}/digital_twin/{{dataset}}/{GLM_RUN}/output.nc",
    output:
        agreement="results/{scale}/digital_twin/{dataset}/size_tuning.csv",
    wildcard_constraints:
        dataset=one_of(NEURONS["scanned"].values()),
    conda:
        TRAINING_ENVIRONMENT
    params:
        options=word(TWIN["scan_agreement"]),
        seed=SEED,
    message:
        "Compare recorded and predicted size tuning: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.compare_gabor_scan --scan {input.scan:q} --responses {input.responses:q}"
        " --checkpoint {input.checkpoint:q} --gabors {input.gabors:q} --scan-gabors {input.scan_gabors:q} --glm {input.glm:q}"
        " --parameters {params.options:q} --seed {params.seed:q} --output {output.agreement:q} --accelerator $accelerator"
