# Study `digital_twin`: models of responses to images, bar codes, experiments in silico, on simulated and real neurons
TWIN = SETTINGS["digital_twin"]
IMAGE_DATASETS = image_datasets()
SIMULATED_NEURONS = [name for name in IMAGE_DATASETS if "parameters" in TWIN["datasets"][name]]
IMPORTED_RESPONSES = [name for name in IMAGE_DATASETS if name not in SIMULATED_NEURONS]
PROBED = [name for name in IMAGE_DATASETS if TWIN["datasets"][name]["in_silico"]]
SCANNED = [
    name for name in PROBED if name in SIMULATED_NEURONS
]  # a second scan needs neurons that can be asked again
TWIN_RUN = f"digital_twin/seed-{TWIN['seeds'][0]}"  # whose bar codes and experiments are shown
GLM_RUN = f"poisson_glm/seed-{TWIN['seeds'][0]}"


rule simulate_visual_cortex:
    output:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
    log:
        "results/{scale}/logs/digital_twin/{dataset}/simulate_visual_cortex.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/simulate_visual_cortex.tsv"
    wildcard_constraints:
        dataset=one_of(SIMULATED_NEURONS),
    conda:
        BASE_ENVIRONMENT
    threads: resource("simulate_visual_cortex", "threads")
    resources:
        mem_mb=resource("simulate_visual_cortex", "mem_mb"),
        runtime=resource("simulate_visual_cortex", "runtime"),
        gpu=resource("simulate_visual_cortex", "gpu"),
    params:
        options=lambda wildcards: shlex.quote(
            json.dumps(merge(TWIN["simulated"], TWIN["datasets"][wildcards.dataset]["parameters"]))
        ),
        label=image_label,
        seed=SEED,
        code=code("studies.digital_twin.commands.simulate_visual_cortex"),
    message:
        "Simulate visual cortex: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.simulate_visual_cortex --parameters {params.options} --label {params.label}"
        " --seed {params.seed} --output {output.responses} > {log} 2>&1"


rule import_image_responses:
    input:
        unpack(image_response_files),
    output:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
    log:
        "results/{scale}/logs/digital_twin/{dataset}/import_image_responses.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/import_image_responses.tsv"
    wildcard_constraints:
        dataset=one_of(IMPORTED_RESPONSES),
    conda:
        BASE_ENVIRONMENT
    threads: resource("import_image_responses", "threads")
    resources:
        mem_mb=resource("import_image_responses", "mem_mb"),
        runtime=resource("import_image_responses", "runtime"),
        gpu=resource("import_image_responses", "gpu"),
    params:
        options=lambda wildcards: shlex.quote(json.dumps(TWIN["datasets"][wildcards.dataset]["recording"])),
        label=image_label,
        folder=lambda wildcards: shlex.quote(str(image_response_folder(wildcards.dataset))),
        seed=SEED,
        code=code("studies.digital_twin.commands.import_image_responses"),
    message:
        "Import responses to images: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.import_image_responses --parameters {params.options} --label {params.label}"
        " --folder {params.folder} --seed {params.seed} --output {output.responses} > {log} 2>&1"


rule score_image_predictions:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        predictions=lambda wildcards: inferred_of("digital_twin", wildcards.dataset),
    output:
        scores="results/{scale}/digital_twin/{dataset}/scores.csv",
    log:
        "results/{scale}/logs/digital_twin/{dataset}/score_image_predictions.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/score_image_predictions.tsv"
    wildcard_constraints:
        dataset=one_of(IMAGE_DATASETS),
    conda:
        BASE_ENVIRONMENT
    threads: resource("score_image_predictions", "threads")
    resources:
        mem_mb=resource("score_image_predictions", "mem_mb"),
        runtime=resource("score_image_predictions", "runtime"),
        gpu=resource("score_image_predictions", "gpu"),
    params:
        predictions=lambda wildcards, input: methods(
            input.predictions, "digital_twin", wildcards.dataset
        ).replace("--embedding", "--prediction"),
        label=image_label,
        seed=SEED,
        code=code("studies.digital_twin.commands.score_image_predictions"),
    message:
        "Score predictions of responses to images: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.score_image_predictions --responses {input.responses} {params.predictions}"
        " --dataset {wildcards.dataset} --label {params.label} --seed {params.seed} --output {output.scores} > {log} 2>&1"


rule align_bar_codes:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        predictions=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/output.nc",
    output:
        bar_codes="results/{scale}/digital_twin/{dataset}/bar_codes.nc",
        table="results/{scale}/digital_twin/{dataset}/alignment.csv",
        timing="results/{scale}/digital_twin/{dataset}/alignment_timing.csv",
    log:
        "results/{scale}/logs/digital_twin/{dataset}/align_bar_codes.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/align_bar_codes.tsv"
    wildcard_constraints:
        dataset=one_of(PROBED),
    conda:
        BASE_ENVIRONMENT
    threads: resource("align_bar_codes", "threads")
    resources:
        mem_mb=resource("align_bar_codes", "mem_mb"),
        runtime=resource("align_bar_codes", "runtime"),
        gpu=resource("align_bar_codes", "gpu"),
    params:
        options=shlex.quote(json.dumps(TWIN["bar_codes"])),
        label=image_label,
        seed=SEED,
        code=code("studies.digital_twin.commands.align_bar_codes"),
    message:
        "Align bar codes: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.align_bar_codes --responses {input.responses} --predictions {input.predictions}"
        " --dataset {wildcards.dataset} --label {params.label} --parameters {params.options} --seed {params.seed}"
        " --output {output.bar_codes} --table {output.table} --timing {output.timing} > {log} 2>&1"


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
    log:
        "results/{scale}/logs/digital_twin/{dataset}/find_optimal_stimuli.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/find_optimal_stimuli.tsv"
    wildcard_constraints:
        dataset=one_of(PROBED),
    conda:
        "../../envs/training.yaml"
    threads: resource("find_optimal_stimuli", "threads")
    resources:
        mem_mb=resource("find_optimal_stimuli", "mem_mb"),
        runtime=resource("find_optimal_stimuli", "runtime"),
        gpu=resource("find_optimal_stimuli", "gpu"),
    params:
        options=shlex.quote(json.dumps(TWIN["optimal_stimuli"])),
        code=code("studies.digital_twin.commands.find_optimal_stimuli"),
    message:
        "Find optimal Gabors and differences of Gaussians: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.find_optimal_stimuli --responses {input.responses} --checkpoint {input.checkpoint}"
        " --predictions {input.predictions} --bar-codes {input.bar_codes} --parameters {params.options}"
        " --gabors {output.gabors} --differences {output.differences} --check {output.check} > {log} 2>&1"


rule run_experiments:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        checkpoint=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/checkpoint.pt",
        bar_codes="results/{scale}/digital_twin/{dataset}/bar_codes.nc",
        gabors="results/{scale}/digital_twin/{dataset}/optimal_gabors.csv",
    output:
        tuning="results/{scale}/digital_twin/{dataset}/tuning.nc",
        indices="results/{scale}/digital_twin/{dataset}/indices.csv",
    log:
        "results/{scale}/logs/digital_twin/{dataset}/run_experiments.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/run_experiments.tsv"
    wildcard_constraints:
        dataset=one_of(PROBED),
    conda:
        "../../envs/training.yaml"
    threads: resource("run_experiments", "threads")
    resources:
        mem_mb=resource("run_experiments", "mem_mb"),
        runtime=resource("run_experiments", "runtime"),
        gpu=resource("run_experiments", "gpu"),
    params:
        options=shlex.quote(json.dumps(TWIN["experiments"])),
        code=code("studies.digital_twin.commands.run_experiments"),
    message:
        "Run experiments in silico: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.run_experiments --responses {input.responses} --checkpoint {input.checkpoint}"
        " --bar-codes {input.bar_codes} --gabors {input.gabors} --parameters {params.options}"
        " --tuning {output.tuning} --indices {output.indices} > {log} 2>&1"


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
    log:
        "results/{scale}/logs/digital_twin/{dataset}/find_meis.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/find_meis.tsv"
    wildcard_constraints:
        dataset=one_of(PROBED),
    conda:
        "../../envs/training.yaml"
    threads: resource("find_meis", "threads")
    resources:
        mem_mb=resource("find_meis", "mem_mb"),
        runtime=resource("find_meis", "runtime"),
        gpu=resource("find_meis", "gpu"),
    params:
        options=shlex.quote(json.dumps(TWIN["meis"])),
        seed=SEED,
        code=code("studies.digital_twin.commands.find_meis"),
    message:
        "Find most exciting images: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.find_meis --responses {input.responses} --checkpoint {input.checkpoint}"
        " --predictions {input.predictions} --bar-codes {input.bar_codes} --gabors {input.gabors} --differences {input.differences}"
        " --scores {input.scores} --parameters {params.options} --seed {params.seed} --output {output.meis}"
        " --comparison {output.comparison} --clusters {output.clusters} > {log} 2>&1"


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
    log:
        "results/{scale}/logs/digital_twin/{dataset}/summarise_properties.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/summarise_properties.tsv"
    wildcard_constraints:
        dataset=one_of(PROBED),
    conda:
        BASE_ENVIRONMENT
    threads: resource("summarise_properties", "threads")
    resources:
        mem_mb=resource("summarise_properties", "mem_mb"),
        runtime=resource("summarise_properties", "runtime"),
        gpu=resource("summarise_properties", "gpu"),
    params:
        options=shlex.quote(json.dumps(TWIN["properties"])),
        label=image_label,
        seed=SEED,
        code=code("studies.digital_twin.commands.summarise_properties"),
    message:
        "Summarise properties of neurons and clusters: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.summarise_properties --responses {input.responses} --indices {input.indices}"
        " --comparison {input.comparison} --scores {input.scores} --bar-codes {input.bar_codes} --dataset {wildcards.dataset}"
        " --label {params.label} --parameters {params.options} --seed {params.seed} --properties {output.properties}"
        " --cluster-tests {output.tests} --independence {output.independence} --combinations {output.combinations}"
        " > {log} 2>&1"


rule select_gabors:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        checkpoint=f"results/{{scale}}/digital_twin/{{dataset}}/{TWIN_RUN}/checkpoint.pt",
        gabors="results/{scale}/digital_twin/{dataset}/optimal_gabors.csv",
    output:
        gabors="results/{scale}/digital_twin/{dataset}/scan_gabors.csv",
        coverage="results/{scale}/digital_twin/{dataset}/scan_coverage.csv",
        curves="results/{scale}/digital_twin/{dataset}/scan_curves.csv",
    log:
        "results/{scale}/logs/digital_twin/{dataset}/select_gabors.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/select_gabors.tsv"
    wildcard_constraints:
        dataset=one_of(SCANNED),
    conda:
        "../../envs/training.yaml"
    threads: resource("select_gabors", "threads")
    resources:
        mem_mb=resource("select_gabors", "mem_mb"),
        runtime=resource("select_gabors", "runtime"),
        gpu=resource("select_gabors", "gpu"),
    params:
        options=shlex.quote(json.dumps(TWIN["gabor_selection"])),
        code=code("studies.digital_twin.commands.select_gabors"),
    message:
        "Select Gabors for a second scan: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.select_gabors --responses {input.responses} --checkpoint {input.checkpoint}"
        " --gabors {input.gabors} --parameters {params.options} --output {output.gabors} --coverage {output.coverage}"
        " --curves {output.curves} > {log} 2>&1"


rule record_gabor_scan:
    input:
        responses="results/{scale}/digital_twin/{dataset}/responses.nc",
        gabors="results/{scale}/digital_twin/{dataset}/scan_gabors.csv",
    output:
        scan="results/{scale}/digital_twin/{dataset}/gabor_scan.nc",
    log:
        "results/{scale}/logs/digital_twin/{dataset}/record_gabor_scan.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/record_gabor_scan.tsv"
    wildcard_constraints:
        dataset=one_of(SCANNED),
    conda:
        BASE_ENVIRONMENT
    threads: resource("record_gabor_scan", "threads")
    resources:
        mem_mb=resource("record_gabor_scan", "mem_mb"),
        runtime=resource("record_gabor_scan", "runtime"),
        gpu=resource("record_gabor_scan", "gpu"),
    params:
        options=shlex.quote(json.dumps(TWIN["gabor_scan"])),
        seed=SEED,
        code=code("studies.digital_twin.commands.record_gabor_scan"),
    message:
        "Record a second scan of the same neurons: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.record_gabor_scan --responses {input.responses} --gabors {input.gabors}"
        " --parameters {params.options} --seed {params.seed} --output {output.scan} > {log} 2>&1"


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
    log:
        "results/{scale}/logs/digital_twin/{dataset}/compare_gabor_scan.log",
    benchmark:
        "results/{scale}/benchmarks/digital_twin/{dataset}/compare_gabor_scan.tsv"
    wildcard_constraints:
        dataset=one_of(SCANNED),
    conda:
        "../../envs/training.yaml"
    threads: resource("compare_gabor_scan", "threads")
    resources:
        mem_mb=resource("compare_gabor_scan", "mem_mb"),
        runtime=resource("compare_gabor_scan", "runtime"),
        gpu=resource("compare_gabor_scan", "gpu"),
    params:
        options=shlex.quote(json.dumps(TWIN["scan_agreement"])),
        seed=SEED,
        code=code("studies.digital_twin.commands.compare_gabor_scan"),
    message:
        "Compare recorded and predicted size tuning: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.digital_twin.commands.compare_gabor_scan --scan {input.scan} --responses {input.responses}"
        " --checkpoint {input.checkpoint} --gabors {input.gabors} --scan-gabors {input.scan_gabors} --glm {input.glm}"
        " --parameters {params.options} --seed {params.seed} --output {output.agreement} > {log} 2>&1"


FIGURES["digital_twin"] = {}
if IMAGE_DATASETS:
    FIGURES["digital_twin"]["digital_twin_scores"] = {
        "scores": boxes("digital_twin", IMAGE_DATASETS, "scores.csv")
    }
if SIMULATED_NEURONS:
    FIGURES["digital_twin"]["digital_twin_images"] = {
        "responses": boxes("digital_twin", SIMULATED_NEURONS, "responses.nc")
    }
for position, name in enumerate(PROBED):
    suffix = f"-{name}" if position else ""  # figures of the first bear the paper's plain names
    of = {
        table: box("digital_twin", name, file)
        for table, file in {
            **{box: f"{box}.nc" for box in ("responses", "bar_codes", "meis", "tuning")},
            **{
                table: f"{table}.csv"
                for table in ("scores", "alignment", "indices", "properties", "cluster_tests")
            },
            **{table: f"{table}.csv" for table in ("search_check", "size_tuning")},
            "gabors": "optimal_gabors.csv",
            "differences": "differences_of_gaussians.csv",
            "comparison": "stimulus_comparison.csv",
            "coverage": "scan_coverage.csv",
            "curves": "scan_curves.csv",
            "scan_gabors": "scan_gabors.csv",
        }.items()
    }
    drawn = {
        "figure1": ("bar_codes", "alignment", "responses", "meis", "scores"),
        "figure2": ("gabors", "differences", "meis", "tuning", "indices"),
        "figure3": ("properties", "cluster_tests"),
        "figure6": ("meis", "bar_codes", "comparison"),
    }
    if name in SCANNED:
        drawn["recovery"] = ("responses", "indices", "gabors", "search_check")
        drawn["figure5"] = ("size_tuning", "curves", "coverage", "scan_gabors")
    FIGURES["digital_twin"] |= {
        f"digital_twin_{figure}{suffix}": {table: of[table] for table in tables}
        for figure, tables in drawn.items()
    }
if PROBED:
    FIGURES["digital_twin"]["digital_twin_figure4"] = {
        table: boxes("digital_twin", PROBED, f"{table}.csv")
        for table in ("properties", "independence", "combinations", "indices")
    }

for table, names in {
    "scores": SIMULATED_NEURONS,
    **dict.fromkeys(("alignment", "indices", "cluster_tests", "independence", "combinations"), SCANNED),
    **dict.fromkeys(("scan_coverage", "size_tuning"), SCANNED),
}.items():
    CLAIMS[f"digital_twin.{table}"] = boxes("digital_twin", names, f"{table}.csv")
CLAIMS["digital_twin.meis"] = boxes("digital_twin", SCANNED, "cluster_meis.csv")
CLAIMS["digital_twin.gabors"] = boxes("digital_twin", SCANNED, "optimal_gabors.csv")
