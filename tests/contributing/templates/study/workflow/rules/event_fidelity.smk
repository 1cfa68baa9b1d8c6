# Study `event_fidelity`: how well deconvolved events follow spikes as the fluorescence gets noisier
FIDELITY = SETTINGS["event_fidelity"]


rule simulate_for_fidelity:
    output:
        recording="results/{scale}/event_fidelity/{dataset}/recording.nc",
    params:
        common=word(FIDELITY["common"]),
        dataset=lambda wildcards: word(FIDELITY["datasets"][wildcards.dataset]["parameters"]),
        seed=SEED,
        code=code("commands.simulate", "simulation.lorenz.lorenz_recording"),
    message:
        "Simulate event_fidelity/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.commands.simulate --simulator lorenz_recording --parameters {params.common:q}"
        " --parameters {params.dataset:q} --seed {params.seed:q} --output {output.recording:q}"


rule score_fidelity:
    input:
        recording="results/{scale}/event_fidelity/{dataset}/deconvolved.nc",
    output:
        fidelity="results/{scale}/event_fidelity/{dataset}/fidelity.csv",
    message:
        "Correlate events with spikes: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.event_fidelity.commands.score_fidelity --recording {input.recording:q}"
        " --dataset {wildcards.dataset:q} --output {output.fidelity:q}"
