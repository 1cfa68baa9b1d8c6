# figures, a rule each, named as the figure; what it reads stands in its module. And the table of claims.
for paper in papers():
    checked(read_paper, paper.stem)
DRAWN = [
    (study, figure, inputs)
    for study in STUDIES
    for figure, inputs in checked(figure_inputs, PLAN, study).items()
]
CLAIMS = {table: paths for study in STUDIES for table, paths in checked(claim_inputs, PLAN, study).items()}
CLAIMING = [study for study in STUDIES if study in with_claims()]  # papers that are not run are not shown
CLAIMS_FILE = [f"results/{SCALE}/claims.csv"] if CLAIMING else []
RULES.granted_as |= {figure.replace("-", "__"): FIGURE_RULE for _, figure, _ in DRAWN}
FIGURE_FILES = [
    f"results/{SCALE}/{study}/figures/{figure}.{kind}"
    for study, figure, _ in DRAWN
    for kind in ("png", "svg", "csv")
    if kind != "csv" or has_table(figure_modules()[figure.partition("-")[0]][1])
]
TARGETS = [path for study in STUDIES for path in getattr(description(study), "targets", lambda _: [])(PLAN)]


for study, figure, inputs in DRAWN:
    drawing = figure.partition("-")[0]
    drawn_by = figure_modules()[drawing][1]
    if not (ROOT / f"workflow/report/{drawing}.rst").is_file():
        raise WorkflowError(
            f"figure {drawing}: expected its caption in workflow/report/{drawing}.rst, found none."
        )
    FIGURES[figure.replace("-", "__")] = (study, figure, ROOT / f"workflow/report/{drawing}.rst")
    SOON |= {figure.replace("-", "__")} if module_constants(drawn_by).get("SOON") else set()
    numbers = {"table": f"results/{{scale}}/{study}/figures/{figure}.csv"} if has_table(drawn_by) else {}

    rule:
        name:
            figure.replace("-", "__")
        input:
            **inputs,
        output:
            **numbers,
            png=report(
                f"results/{{scale}}/{study}/figures/{figure}.png",
                caption=f"../report/{drawing}.rst",
                category=study,
                labels={"figure": figure},
            ),
            svg=f"results/{{scale}}/{study}/figures/{figure}.svg",
        params:
            drawing=drawing,
            inputs=lambda wildcards, input: named(input),
            stem=lambda wildcards, output: os.path.splitext(output.png)[0],
            labels=config_digest({"in order": [*labels().items()]}),
            code=code("commands.figure", drawn_by.removeprefix("calcium_latents.")),
        message:
            f"Draw {study}/{figure}"
        shell:
            "python -m calcium_latents.commands.figure --name {params.drawing:q} {params.inputs:q}"
            " --output-stem {params.stem:q}"


if CLAIMING:

    rule claims:
        input:
            papers=[os.path.relpath(path) for path in papers()],
            tables=CLAIMS.values(),
        output:
            claims="results/{scale}/claims.csv",
            page=report(
                "results/{scale}/claims.html",
                caption="../report/claims.rst",
                category="claims",
                labels={"table": "the papers' claims beside our numbers"},
            ),
        params:
            inputs=named(CLAIMS),
            code=code("commands.claims", *(f"studies.{study}.claims" for study in CLAIMING)),
            studies=[f"--study={study}" for study in CLAIMING],
        message:
            "Compare with the papers' claims"
        shell:
            "python -m calcium_latents.commands.claims {params.studies:q} {params.inputs:q} --scale {wildcards.scale:q} --output {output.claims:q}"
            " --page {output.page:q}"


for text in PLAN.notices if workflow.is_main_process else []:
    logger.warning(f"Note: {text}")
