# Study `radical`: searches over hyperparameters. Random ones show which metric a search may choose by.
RANDOM_SEARCHES = searches("random")


rule score_population:
    input:
        recording="results/{scale}/radical/{dataset}/events.nc",
        checkpoints=random_search_files("checkpoint.pt"),
        metrics=random_search_files("metrics.csv"),
        configs=random_search_files("config.yaml"),
    output:
        recovery="results/{scale}/radical/{dataset}/population_recovery.csv",
    log:
        "results/{scale}/logs/radical/{dataset}/score_population.log",
    benchmark:
        "results/{scale}/benchmarks/radical/{dataset}/score_population.tsv"
    wildcard_constraints:
        dataset=one_of(RANDOM_SEARCHES),
    conda:
        "../../envs/training.yaml"
    threads: resource("score_population", "threads")
    resources:
        mem_mb=resource("score_population", "mem_mb"),
        runtime=resource("score_population", "runtime"),
        gpu=resource("score_population", "gpu"),
    params:
        options=shlex.quote(json.dumps(RADICAL["evaluation"])),
        code=code("studies.radical.commands.score_population"),
    message:
        "Score the members of random searches on radical/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.radical.commands.score_population --recording {input.recording} --checkpoints {input.checkpoints}"
        " --dataset {wildcards.dataset} --parameters {params.options} --output {output.recovery} > {log} 2>&1"


if RANDOM_SEARCHES:
    FIGURES["radical"]["selection_population"] = {
        "recovery": boxes("radical", RANDOM_SEARCHES, "population_recovery.csv")
    }
for dataset, directories in searches("pbt").items():
    # of several seeds, the first
    for model in dict.fromkeys(map(model_of, directories)):
        run = next(directory for directory in directories if model_of(directory) == model)
        FIGURES["radical"][f"population_search-{model}-{dataset}"] = {
            name: box("radical", dataset, f"{run}/{file}")
            for name, file in (("metrics", "metrics.csv"), ("config", "config.yaml"))
        }
