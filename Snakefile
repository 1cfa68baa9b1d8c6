# The map: configuration, shared steps, studies, targets.
configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/deconvolution.smk"
include: "workflow/rules/training.smk"


# A study is workflow/rules/NAME.smk, the rules that no other study shares, and its package in src/calcium_latents/studies.
for study in STUDIES:

    include: f"workflow/rules/{study}.smk"


include: "workflow/rules/figures.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        FIGURE_FILES,
        TARGETS,
        CLAIMS_FILE,


PROGRESS = Progress(workflow, ORDER, Path("results") / SCALE, FIGURES)


onstart:
    let_scheduler_rest(workflow)
    PROGRESS.begin()


onerror:
    PROGRESS.end()


onsuccess:
    PROGRESS.end()
    for study in STUDIES:
        for line in getattr(description(study), "at_the_end", lambda _: [])(PLAN):
            print(line)
