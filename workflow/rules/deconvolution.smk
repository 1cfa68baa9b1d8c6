# recording -> events


rule deconvolve:
    input:
        recording="results/{scale}/{study}/{dataset}/recording.nc",
    output:
        recording="results/{scale}/{study}/{dataset}/deconvolved.nc",
    wildcard_constraints:
        study=one_of(set(STUDIES) - set(SIMULATED)),
    conda:
        lambda wildcards: deconvolution_environment(wildcards.study)
    params:
        method=lambda wildcards: section(wildcards)["deconvolution"]["method"],
        options=lambda wildcards: word(PLAN.deconvolution_options(wildcards.study, wildcards.dataset)),
        seed=SEED,
        code=lambda wildcards: deconvolution_code("commands.deconvolve", wildcards.study),
    message:
        "Deconvolve {wildcards.study}/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.commands.deconvolve --recording {input.recording:q} --method {params.method:q}"
        " --parameters {params.options:q} --processes {threads} --seed {params.seed:q} --output {output.recording:q}"


# Simulated trials are on the sub-frame grid already, so what is deconvolved is what models read.
use rule deconvolve as deconvolve_simulation with:
    output:
        recording="results/{scale}/{study}/{dataset}/events.nc",
    wildcard_constraints:
        study=one_of(SIMULATED),
