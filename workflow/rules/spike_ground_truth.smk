# Study `spike_ground_truth`: deconvolved events beside real spikes


rule compare_with_spikes:
    input:
        folders=GROUND_TRUTH,
    output:
        table="results/{scale}/spike_ground_truth/spike_inference.csv",
    log:
        "results/{scale}/logs/spike_ground_truth/compare_with_spikes.log",
    benchmark:
        "results/{scale}/benchmarks/spike_ground_truth/compare_with_spikes.tsv"
    conda:
        deconvolution_environment("spike_ground_truth")
    threads: resource("compare_with_spikes", "threads")
    resources:
        mem_mb=resource("compare_with_spikes", "mem_mb"),
        runtime=resource("compare_with_spikes", "runtime"),
        gpu=resource("compare_with_spikes", "gpu"),
    params:
        method=SETTINGS["spike_ground_truth"]["deconvolution"]["method"],
        options=shlex.quote(json.dumps(SETTINGS["spike_ground_truth"]["deconvolution"]["options"])),
        code=deconvolution_code(
            "studies.spike_ground_truth.commands.spike_ground_truth", "spike_ground_truth"
        ),
    message:
        "Compare events with real spikes"
    shell:
        "python -m calcium_latents.studies.spike_ground_truth.commands.spike_ground_truth --folder {input.folders} --method {params.method}"
        " --parameters {params.options} --output {output.table} > {log} 2>&1"


if GROUND_TRUTH:
    FIGURES["spike_ground_truth"] = {
        "spike_ground_truth": {
            "spike_inference": f"results/{SCALE}/spike_ground_truth/spike_inference.csv",
            "simulated": [
                path for study in SIMULATED for path in boxes(study, datasets(study), "spike_inference.csv")
            ],
        },
    }
