# inferred rates -> tables


rule evaluate:
    input:
        recording="results/{scale}/{study}/{dataset}/events.nc",
        inferred=inferred_files,
    output:
        scores="results/{scale}/{study}/{dataset}/scores.csv",
        lag_sweep="results/{scale}/{study}/{dataset}/lag_sweep.csv",
        predictions="results/{scale}/{study}/{dataset}/predictions.nc",
    log:
        "results/{scale}/logs/{study}/{dataset}/evaluate.log",
    benchmark:
        "results/{scale}/benchmarks/{study}/{dataset}/evaluate.tsv"
    wildcard_constraints:
        study=one_of(SCORED),
    conda:
        BASE_ENVIRONMENT
    threads: resource("evaluate", "threads")
    resources:
        mem_mb=resource("evaluate", "mem_mb"),
        runtime=resource("evaluate", "runtime"),
        gpu=resource("evaluate", "gpu"),
    params:
        options=parameters("evaluation"),
        label=parameters("datasets", "{dataset}", "label_hz"),
        code=code("studies.radical.commands.evaluate"),
    message:
        "Score all methods on {wildcards.study}/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.radical.commands.evaluate --recording {input.recording} --inferred {input.inferred}"
        " --dataset {wildcards.dataset} --frequency-hz {params.label} --parameters {params.options}"
        " --scores {output.scores} --lag-sweep {output.lag_sweep} --predictions {output.predictions} > {log} 2>&1"
