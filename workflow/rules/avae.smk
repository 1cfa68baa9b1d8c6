# Study `avae`: autoencoders of single neurons' traces, on simulated cultures and on the user's recordings
AVAE = SETTINGS["avae"]
EMBEDDED_RECORDINGS = recordings_of("avae")
EMBEDDED = [*AVAE["run"], *EMBEDDED_RECORDINGS]
SIMULATED_TRACES = [name for name in AVAE["run"] if "set" in AVAE["datasets"][name]]
COMPARED = [name for name in AVAE["run"] if AVAE["datasets"][name]["conditions"]]
CULTURE_SETS = culture_sets(SIMULATED_TRACES)
JOINED = [name for name in AVAE["run"] if name not in SIMULATED_TRACES]  # the user's recordings, by condition
MEASURED = [*JOINED, *EMBEDDED_RECORDINGS]
# A run of the user's recordings alone has no examples of simulated cultures to draw.
EXAMPLES = [AVAE["figures"]["examples"]] if AVAE["figures"]["examples"] in SIMULATED_TRACES else []
LEVELS = [name for name in AVAE["figures"]["noise"] if name in SIMULATED_TRACES]
OTHERS = [name for name in SIMULATED_TRACES if name not in {*EXAMPLES, *LEVELS, *COMPARED}]
MAPPED = [*EXAMPLES, *OTHERS, *COMPARED]  # datasets whose latents are drawn as t-SNE maps
for taken in set(EMBEDDED_RECORDINGS) & {*AVAE["datasets"], "sets", "figures"}:
    raise WorkflowError(
        f"{SETTINGS['recordings_file']}, field 'recordings.{taken}': expected another name, since '{taken}' is one of"
        " the study avae's own. Rename the entry, or leave avae out of its studies."
    )
for taken in {*AVAE["datasets"]} & {"sets", "figures"}:
    raise WorkflowError(
        f"{CHOSEN_BY}, field 'avae.datasets.{taken}': expected another name, since results have a folder '{taken}'."
    )
for name in JOINED:
    joined_recordings(name)
missing = sorted({AVAE["figures"]["examples"], *AVAE["figures"]["noise"]} - {*SIMULATED_TRACES})
if missing:
    notice(f"avae's figures of simulated cultures leave out what is not run: {', '.join(missing)}.")


rule simulate_cultures:
    output:
        recording="results/{scale}/avae/sets/{set}.nc",
        statistics="results/{scale}/avae/sets/{set}.csv",
    log:
        "results/{scale}/logs/avae/sets/{set}/simulate_cultures.log",
    benchmark:
        "results/{scale}/benchmarks/avae/sets/{set}/simulate_cultures.tsv"
    wildcard_constraints:
        set=one_of(AVAE["sets"]),
    conda:
        BASE_ENVIRONMENT
    threads: resource("simulate_cultures", "threads")
    resources:
        mem_mb=resource("simulate_cultures", "mem_mb"),
        runtime=resource("simulate_cultures", "runtime"),
        gpu=resource("simulate_cultures", "gpu"),
    params:
        options=lambda wildcards: shlex.quote(json.dumps(AVAE["sets"][wildcards.set])),
        seed=SEED,
        code=code("studies.avae.commands.simulate_cultures"),
    message:
        "Simulate cultures: {wildcards.set}"
    shell:
        "python -m calcium_latents.studies.avae.commands.simulate_cultures --parameters {params.options} --seed {params.seed}"
        " --recording {output.recording} --statistics {output.statistics} > {log} 2>&1"


rule add_noise:
    input:
        recording=lambda wildcards: f"results/{{scale}}/avae/sets/{AVAE['datasets'][wildcards.dataset]['set']}.nc",
    output:
        recording="results/{scale}/avae/{dataset}/traces.nc",
    log:
        "results/{scale}/logs/avae/{dataset}/add_noise.log",
    benchmark:
        "results/{scale}/benchmarks/avae/{dataset}/add_noise.tsv"
    wildcard_constraints:
        dataset=one_of(SIMULATED_TRACES),
    conda:
        BASE_ENVIRONMENT
    threads: resource("add_noise", "threads")
    resources:
        mem_mb=resource("add_noise", "mem_mb"),
        runtime=resource("add_noise", "runtime"),
        gpu=resource("add_noise", "gpu"),
    params:
        noise=lambda wildcards: AVAE["datasets"][wildcards.dataset]["noise"],
        label=lambda wildcards: shlex.quote(AVAE["datasets"][wildcards.dataset]["label"]),
        seed=SEED,
        code=code("studies.avae.commands.add_noise"),
    message:
        "Add noise: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.avae.commands.add_noise --recording {input.recording} --noise {params.noise} --label {params.label}"
        " --seed {params.seed} --output {output.recording} > {log} 2>&1"


rule join_recordings:
    input:
        recordings=joined_files,
    output:
        recording="results/{scale}/avae/{dataset}/traces.nc",
    log:
        "results/{scale}/logs/avae/{dataset}/join_recordings.log",
    benchmark:
        "results/{scale}/benchmarks/avae/{dataset}/join_recordings.tsv"
    wildcard_constraints:
        dataset=one_of(MEASURED),
    conda:
        BASE_ENVIRONMENT
    threads: resource("join_recordings", "threads")
    resources:
        mem_mb=resource("join_recordings", "mem_mb"),
        runtime=resource("join_recordings", "runtime"),
        gpu=resource("join_recordings", "gpu"),
    params:
        recordings=joined_arguments,
        rate=AVAE["recordings"]["rate_hz"],
        gap=AVAE["recordings"]["longest_gap_s"],
        label=lambda wildcards: shlex.quote(
            AVAE["datasets"].get(wildcards.dataset, {}).get("label", wildcards.dataset)
        ),
        seed=SEED,
        code=code("studies.avae.commands.join_recordings"),
    message:
        "Join recordings: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.avae.commands.join_recordings {params.recordings} --rate-hz {params.rate}"
        " --longest-gap-s {params.gap} --label {params.label} --seed {params.seed} --output {output.recording} > {log} 2>&1"


rule score_avae:
    input:
        recording="results/{scale}/avae/{dataset}/traces.nc",
        embeddings=lambda wildcards: inferred_of("avae", wildcards.dataset),
    output:
        reconstruction="results/{scale}/avae/{dataset}/reconstruction.csv",
        clustering="results/{scale}/avae/{dataset}/clustering.csv",
        separation="results/{scale}/avae/{dataset}/separation.csv",
        correlations="results/{scale}/avae/{dataset}/correlations.csv",
        tsne="results/{scale}/avae/{dataset}/tsne.csv",
    log:
        "results/{scale}/logs/avae/{dataset}/score_avae.log",
    benchmark:
        "results/{scale}/benchmarks/avae/{dataset}/score_avae.tsv"
    wildcard_constraints:
        dataset=one_of(EMBEDDED),
    conda:
        BASE_ENVIRONMENT
    threads: resource("score_avae", "threads")
    resources:
        mem_mb=resource("score_avae", "mem_mb"),
        runtime=resource("score_avae", "runtime"),
        gpu=resource("score_avae", "gpu"),
    params:
        embeddings=lambda wildcards, input: methods(input.embeddings, "avae", wildcards.dataset),
        label=lambda wildcards: shlex.quote(
            AVAE["datasets"].get(wildcards.dataset, {}).get("label", wildcards.dataset)
        ),
        options=lambda wildcards: shlex.quote(
            json.dumps({**AVAE["scores"], "map": wildcards.dataset in MAPPED})
        ),
        code=code("studies.avae.commands.score_avae"),
    message:
        "Score all fits on avae/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.avae.commands.score_avae --recording {input.recording} {params.embeddings} --dataset {wildcards.dataset}"
        " --label {params.label} --parameters {params.options} --reconstruction {output.reconstruction} --clustering {output.clustering}"
        " --separation {output.separation} --correlations {output.correlations} --tsne {output.tsne} > {log} 2>&1"


rule compare_conditions:
    input:
        recording="results/{scale}/avae/{dataset}/traces.nc",
        embeddings=lambda wildcards: inferred_of("avae", wildcards.dataset),
    output:
        separability="results/{scale}/avae/{dataset}/separability.csv",
        heterogeneity="results/{scale}/avae/{dataset}/heterogeneity.csv",
    log:
        "results/{scale}/logs/avae/{dataset}/compare_conditions.log",
    benchmark:
        "results/{scale}/benchmarks/avae/{dataset}/compare_conditions.tsv"
    wildcard_constraints:
        dataset=one_of(COMPARED),
    conda:
        BASE_ENVIRONMENT
    threads: resource("compare_conditions", "threads")
    resources:
        mem_mb=resource("compare_conditions", "mem_mb"),
        runtime=resource("compare_conditions", "runtime"),
        gpu=resource("compare_conditions", "gpu"),
    params:
        embeddings=lambda wildcards, input: methods(input.embeddings, "avae", wildcards.dataset),
        label=lambda wildcards: shlex.quote(
            AVAE["datasets"].get(wildcards.dataset, {}).get("label", wildcards.dataset)
        ),
        seed=SEED,
        code=code("studies.avae.commands.compare_conditions"),
    message:
        "Compare conditions of avae/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.avae.commands.compare_conditions --recording {input.recording} {params.embeddings}"
        " --dataset {wildcards.dataset} --label {params.label} --seed {params.seed} --separability {output.separability}"
        " --heterogeneity {output.heterogeneity} > {log} 2>&1"


FIGURES["avae"] = {
    **{f"avae_figure4-{name}": {"tsne": box("avae", name, "tsne.csv")} for name in OTHERS},
    **{
        f"avae_figure6-{name}": {
            "traces": box("avae", name, "traces.nc"),
            "embeddings": inferred_of("avae", name),
            **{
                table: box("avae", name, f"{table}.csv")
                for table in ("tsne", "separability", "heterogeneity")
            },
        }
        for name in COMPARED
    },
}
if EXAMPLES:
    FIGURES["avae"] |= {
        "avae_figure1": {"traces": boxes("avae", EXAMPLES, "traces.nc")},
        "avae_figure4": {"tsne": boxes("avae", EXAMPLES, "tsne.csv")},
    }
if EXAMPLES and LEVELS:
    FIGURES["avae"] |= {
        "avae_figure3": {
            "traces": boxes("avae", EXAMPLES, "traces.nc"),
            "embeddings": inferred_of("avae", *EXAMPLES),
            "reconstruction": boxes("avae", LEVELS, "reconstruction.csv"),
        },
        "avae_figure5": {
            "clustering": boxes("avae", LEVELS, "clustering.csv"),
            "separation": boxes("avae", LEVELS, "separation.csv"),
            "correlations": boxes("avae", EXAMPLES, "correlations.csv"),
        },
    }
if CULTURE_SETS:
    FIGURES["avae"]["avae_cultures"] = {
        "sets": [f"results/{SCALE}/avae/sets/{name}.nc" for name in CULTURE_SETS],
        "statistics": [f"results/{SCALE}/avae/sets/{name}.csv" for name in CULTURE_SETS],
    }
if MEASURED:
    FIGURES["avae"]["avae_recordings"] = {
        "traces": boxes("avae", MEASURED, "traces.nc"),
        "embeddings": [file for name in MEASURED for file in inferred_of("avae", name)],
        "reconstruction": boxes("avae", MEASURED, "reconstruction.csv"),
    }

for table in ("reconstruction", "clustering", "separation", "correlations"):
    CLAIMS[f"avae.{table}"] = boxes("avae", SIMULATED_TRACES, f"{table}.csv")
for table in ("separability", "heterogeneity"):
    # a user's conditions are none of the paper's
    CLAIMS[f"avae.{table}"] = boxes(
        "avae", [name for name in COMPARED if name in SIMULATED_TRACES], f"{table}.csv"
    )
CLAIMS["avae.statistics"] = [f"results/{SCALE}/avae/sets/{name}.csv" for name in CULTURE_SETS]
