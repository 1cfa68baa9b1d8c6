# parameters -> recording with ground truth
from calcium_latents.commands.simulate import SIMULATORS


rule simulate:
    output:
        recording="results/{scale}/{study}/{dataset}/recording.nc",
    log:
        "results/{scale}/logs/{study}/{dataset}/simulate.log",
    benchmark:
        "results/{scale}/benchmarks/{study}/{dataset}/simulate.tsv"
    wildcard_constraints:
        study=one_of(SIMULATED),
    conda:
        BASE_ENVIRONMENT
    threads: resource("simulate", "threads")
    resources:
        mem_mb=resource("simulate", "mem_mb"),
        runtime=resource("simulate", "runtime"),
        gpu=resource("simulate", "gpu"),
    params:
        simulator=lambda wildcards: section(wildcards)["simulator"],
        common=parameters("simulation"),
        dataset=parameters("datasets", "{dataset}", "parameters"),
        seed=SEED,
        code=lambda wildcards: code(
            "commands.simulate", SIMULATORS[section(wildcards)["simulator"]].removeprefix("calcium_latents.")
        ),
    message:
        "Simulate {wildcards.study}/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.commands.simulate --simulator {params.simulator} --parameters {params.common}"
        " --parameters {params.dataset} --seed {params.seed} --output {output.recording} > {log} 2>&1"
