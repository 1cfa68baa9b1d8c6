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
        "python -m calcium_latents.studies.avae.commands.simulate_cultures --parameters {params.options} --seed {params.seed}"
        " --recording {output.recording} --statistics {output.statistics}"


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
        "python -m calcium_latents.studies.avae.commands.add_noise --recording {input.recording} --noise {params.noise} --label {params.label}"
        " --seed {params.seed} --output {output.recording}"


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
        "python -m calcium_latents.studies.avae.commands.join_recordings {params.recordings} --rate-hz {params.rate}"
        " --longest-gap-s {params.gap} --label {params.label} --seed {params.seed} --output {output.recording}"


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
        options=lambda wildcards: shlex.quote(
            json.dumps({**AVAE["scores"], "map": wildcards.dataset in avae_study.with_maps(PLAN)})
        ),
    message:
        "Score all fits on avae/{wildcards.dataset}"
    shell:
        "python -m calcium_latents.studies.avae.commands.score_avae --recording {input.recording} {params.embeddings} --dataset {wildcards.dataset}"
        " --label {params.label} --parameters {params.options} --reconstruction {output.reconstruction} --clustering {output.clustering}"
        " --separation {output.separation} --correlations {output.correlations} --tsne {output.tsne}"


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
        "python -m calcium_latents.studies.avae.commands.compare_conditions --recording {input.recording} {params.embeddings}"
        " --dataset {wildcards.dataset} --label {params.label} --seed {params.seed} --separability {output.separability}"
        " --heterogeneity {output.heterogeneity}"
