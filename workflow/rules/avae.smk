# Study `avae`: autoencoders of single neurons' traces, on simulated cultures and on the user's recordings
from calcium_latents.studies.avae import study as avae_study

AVAE = SETTINGS["avae"]
TRACES = groups(PLAN, "avae")  # group -> names of datasets of traces


rule simulate_cultures:
    output:
        recording="results/{scale}/avae/sets/{set}.nc",
        statistics="results/{scale}/avae/sets/{set}.csv",
    wildcard_constraints:
        set=one_of(AVAE["sets"]),
    params:
        options=lambda wildcards: word(AVAE["sets"][wildcards.set]),
        seed=SEED,
    message:
        "Simulate cultures: {wildcards.set}"
    shell:
        "python -m calcium_latents.studies.avae.commands.simulate_cultures --parameters {params.options:q} --seed {params.seed:q}"
        " --recording {output.recording:q} --statistics {output.statistics:q}"


rule add_noise:
    input:
        recording=lambda wildcards: f"results/{{scale}}/avae/sets/{AVAE['datasets'][wildcards.dataset]['set']}.nc",
    output:
        recording="results/{scale}/avae/{dataset}/traces.nc",
    wildcard_constraints:
        dataset=one_of(TRACES["simulated"]),
    params:
        noise=lambda wildcards: AVAE["datasets"][wildcards.dataset]["noise"],
        label=per_dataset(avae_study.label),
        seed=SEED,
    message:
        "Add noise: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.avae.commands.add_noise --recording {input.recording:q} --noise {params.noise:q} --label={params.label:q}"
        " --seed {params.seed:q} --output {output.recording:q}"


rule join_recordings:
    input:
        recordings=lambda wildcards: avae_study.joined_files(PLAN, wildcards.dataset).values(),
    output:
        recording="results/{scale}/avae/{dataset}/traces.nc",
    wildcard_constraints:
        dataset=one_of(TRACES["measured"]),
    params:
        recordings=lambda wildcards: named_words(
            "recording", avae_study.joined_files(PLAN, wildcards.dataset).items()
        ),
        rate=AVAE["recordings"]["rate_hz"],
        gap=AVAE["recordings"]["longest_gap_s"],
        label=per_dataset(avae_study.label),
        seed=SEED,
    message:
        "Join recordings: {wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.avae.commands.join_recordings {params.recordings:q} --rate-hz {params.rate:q}"
        " --longest-gap-s {params.gap:q} --label={params.label:q} --seed {params.seed:q} --output {output.recording:q}"


rule score_avae:
    input:
        recording="results/{scale}/avae/{dataset}/traces.nc",
        embeddings=lambda wildcards: PLAN.outputs("avae", wildcards.dataset),
    output:
        reconstruction="results/{scale}/avae/{dataset}/reconstruction.csv",
        clustering="results/{scale}/avae/{dataset}/clustering.csv",
        separation="results/{scale}/avae/{dataset}/separation.csv",
        correlations="results/{scale}/avae/{dataset}/correlations.csv",
        tsne="results/{scale}/avae/{dataset}/tsne.csv",
    wildcard_constraints:
        dataset=one_of(TRACES["embedded"]),
    params:
        embeddings=lambda wildcards, input: methods(input.embeddings, "avae", wildcards.dataset),
        label=per_dataset(avae_study.label),
        options=lambda wildcards: word(
            {**AVAE["scores"], "map": wildcards.dataset in avae_study.with_maps(PLAN)}
        ),
    message:
        "Score all fits on avae/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.avae.commands.score_avae --recording {input.recording:q} {params.embeddings:q} --dataset {wildcards.dataset:q}"
        " --label={params.label:q} --parameters {params.options:q} --reconstruction {output.reconstruction:q} --clustering {output.clustering:q}"
        " --separation {output.separation:q} --correlations {output.correlations:q} --tsne {output.tsne:q}"


rule compare_conditions:
    input:
        recording="results/{scale}/avae/{dataset}/traces.nc",
        embeddings=lambda wildcards: PLAN.outputs("avae", wildcards.dataset),
    output:
        separability="results/{scale}/avae/{dataset}/separability.csv",
        heterogeneity="results/{scale}/avae/{dataset}/heterogeneity.csv",
    wildcard_constraints:
        dataset=one_of(TRACES["compared"]),
    params:
        embeddings=lambda wildcards, input: methods(input.embeddings, "avae", wildcards.dataset),
        label=per_dataset(avae_study.label),
        seed=SEED,
    message:
        "Compare conditions of avae/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.avae.commands.compare_conditions --recording {input.recording:q} {params.embeddings:q}"
        " --dataset {wildcards.dataset:q} --label={params.label:q} --seed {params.seed:q} --separability {output.separability:q}"
        " --heterogeneity {output.heterogeneity:q}"
