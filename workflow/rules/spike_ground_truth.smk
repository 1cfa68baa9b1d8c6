# Study `spike_ground_truth`: deconvolved events beside real spikes
from calcium_latents.studies.spike_ground_truth import study as spike_ground_truth_study


rule compare_with_spikes:
    input:
        files=spike_ground_truth_study.ground_truth(PLAN),
    output:
        table="results/{scale}/spike_ground_truth/spike_inference.csv",
    conda:
        deconvolution_environment("spike_ground_truth")
    params:
        method=SETTINGS["spike_ground_truth"]["deconvolution"]["method"],
        options=word(SETTINGS["spike_ground_truth"]["deconvolution"]["options"]),
        code=deconvolution_code(
            "studies.spike_ground_truth.commands.spike_ground_truth", "spike_ground_truth"
        ),
    message:
        "Compare events with real spikes"
    shell:
        "python -m calcium_latents.studies.spike_ground_truth.commands.spike_ground_truth --file {input.files:q} --method {params.method:q}"
        " --parameters {params.options:q} --output {output.table:q}"
