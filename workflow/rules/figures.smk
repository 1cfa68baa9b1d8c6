# figures, a rule each, named as the figure; what it reads stands in FIGURES of its study. And the table of claims.
from calcium_latents.figures import FIGURES as FIGURE_MODULES

for study, figures in FIGURES.items():
    for figure, inputs in figures.items():
        drawing = figure.partition("-")[0]

        rule:
            name:
                figure.replace("-", "_")
            input:
                **inputs,
            output:
                png=report(
                    f"results/{{scale}}/{study}/figures/{figure}.png",
                    caption=f"../report/{drawing}.rst",
                    category=study,
                    labels={"figure": figure},
                ),
                svg=f"results/{{scale}}/{study}/figures/{figure}.svg",
            log:
                f"results/{{scale}}/logs/{study}/figures/{figure}.log",
            benchmark:
                f"results/{{scale}}/benchmarks/{study}/figures/{figure}.tsv"
            conda:
                BASE_ENVIRONMENT
            threads: resource("figure", "threads")
            resources:
                mem_mb=resource("figure", "mem_mb"),
                runtime=resource("figure", "runtime"),
                gpu=resource("figure", "gpu"),
            params:
                drawing=drawing,
                inputs=lambda wildcards, input: named(input),
                stem=lambda wildcards, output: os.path.splitext(output.png)[0],
                code=code("commands.figure", FIGURE_MODULES[drawing].removeprefix("calcium_latents.")),
            message:
                f"Draw {study}/{figure}"
            shell:
                "python -m calcium_latents.commands.figure --name {params.drawing} {params.inputs}"
                " --output-stem {params.stem} > {log} 2>&1"


# the command imports them by name
CLAIM_MODULES = [
    f"studies.{path.parent.name}.claims" for path in (SOURCE / "calcium_latents/studies").glob("*/claims.py")
]


rule claims:
    input:
        CLAIMS.values(),
    output:
        claims="results/{scale}/claims.csv",
        page=report(
            "results/{scale}/claims.html",
            caption="../report/claims.rst",
            category="claims",
            labels={"table": "the papers' claims beside our numbers"},
        ),
    log:
        "results/{scale}/logs/claims.log",
    benchmark:
        "results/{scale}/benchmarks/claims.tsv"
    conda:
        BASE_ENVIRONMENT
    threads: resource("claims", "threads")
    resources:
        mem_mb=resource("claims", "mem_mb"),
        runtime=resource("claims", "runtime"),
        gpu=resource("claims", "gpu"),
    params:
        inputs=named(CLAIMS),
        code=code("commands.claims", *CLAIM_MODULES),
    message:
        "Compare with the papers' claims"
    shell:
        "python -m calcium_latents.commands.claims {params.inputs} --scale {wildcards.scale} --output {output.claims}"
        " --page {output.page} > {log} 2>&1"
