# The map: configuration, stages, studies, targets.
configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/simulation.smk"
include: "workflow/rules/deconvolution.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/analysis.smk"


# A study is workflow/rules/NAME.smk: its FIGURES and TARGETS, and the rules that no other study shares.
for study in SETTINGS["studies"]:

    include: f"workflow/rules/{study}.smk"


if "radical" in SETTINGS["studies"]:

    include: "workflow/rules/searches.smk"
    include: "workflow/rules/radical_search.smk"


include: "workflow/rules/figures.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        figure_files(),
        TARGETS.values(),
        f"results/{SCALE}/claims.csv",
