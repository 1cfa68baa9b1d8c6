# events or traces -> what any model infers


def training_arguments(wildcards):
    """Return Hydra's overrides for one model."""
    return shlex.join(PLAN.training_words(wildcards.study, wildcards.dataset, wildcards.model))


def training_gpu(wildcards):
    """Return the number of GPUs that training one model asks for: none where it is done in closed form."""
    choice = section(wildcards)["models"][wildcards.model]
    return 0 if choice["training"] == "closed_form" else RULES.granted("train", "gpu")


def composed(wildcards):
    """Return the configuration of one model's training, and its digests."""
    return checked(PLAN.composed, wildcards.study, wildcards.dataset, wildcards.model)


def search_workers(wildcards):
    """Return the files by which a search's own jobs (`search.jobs`) say that it has ended; none where there are none."""
    jobs = composed(wildcards).config["search"].get("jobs", 0)
    folder = f"{wildcards.model}/seed-{wildcards.seed}"
    names = [f"{folder}/search-worker-{number}.done" for number in range(1, jobs + 1)]
    return [PLAN.box(wildcards.study, wildcards.dataset, name) for name in names]


def training_code(wildcards):
    """Return the digests of one model's configuration, and of the code that it names."""
    return composed(wildcards)[1:]


def recording_to_train_on(wildcards):
    """Return the file that a study's models are trained on."""
    return PLAN.trained_on(wildcards.study, wildcards.dataset)


# Keeps the allocator from returning the large temporaries of every step to the system: up to a third of a step's time.
ALLOCATOR = (
    "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456 THP_MEM_ALLOC_ENABLE=1"
)


rule train:
    input:
        recording=recording_to_train_on,
        workers=search_workers,
    output:
        checkpoint="results/{scale}/{study}/{dataset}/{model}/seed-{seed}/checkpoint.pt",
        result="results/{scale}/{study}/{dataset}/{model}/seed-{seed}/output.nc",
        metrics="results/{scale}/{study}/{dataset}/{model}/seed-{seed}/metrics.csv",
        snapshots="results/{scale}/{study}/{dataset}/{model}/seed-{seed}/snapshots.pt",
        timing="results/{scale}/{study}/{dataset}/{model}/seed-{seed}/timing.csv",
        config="results/{scale}/{study}/{dataset}/{model}/seed-{seed}/config.yaml",
    wildcard_constraints:
        model=one_of(MODELS),
    conda:
        TRAINING_ENVIRONMENT
    resources:
        gpu=training_gpu,
    params:
        allocator=ALLOCATOR,
        arguments=training_arguments,
        directory=lambda wildcards, output: os.path.dirname(output.checkpoint),
        code=training_code,
    message:
        "Train {wildcards.model} on {wildcards.study}/{wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "accelerator=$([ {resources.gpu} -gt 0 ] && echo gpu || echo cpu);"
        " {params.allocator} python -m calcium_latents.commands.train {params.arguments} seed={wildcards.seed}"
        " recording={input.recording} accelerator=$accelerator threads={threads}"
        " hydra.run.dir={params.directory} > {log} 2>&1"


# One of several jobs that share a search through its folder (`search.jobs`); the training job then writes the results.
rule search_worker:
    input:
        recording=recording_to_train_on,
    output:
        done=temp(touch("results/{scale}/{study}/{dataset}/{model}/seed-{seed}/search-worker-{worker}.done")),
    wildcard_constraints:
        model=one_of(MODELS),
        worker=r"\d+",
    conda:
        TRAINING_ENVIRONMENT
    resources:
        gpu=training_gpu,
    params:
        allocator=ALLOCATOR,
        arguments=training_arguments,
        directory=lambda wildcards, output: os.path.dirname(output.done),
        code=training_code,
    message:
        "Search {wildcards.model} on {wildcards.study}/{wildcards.dataset}, seed {wildcards.seed}: job {wildcards.worker}"
    shell:
        "accelerator=$([ {resources.gpu} -gt 0 ] && echo gpu || echo cpu);"
        " {params.allocator} python -m calcium_latents.commands.search_worker {params.arguments} seed={wildcards.seed}"
        " recording={input.recording} accelerator=$accelerator threads={threads}"
        " hydra.run.dir={params.directory} > {log} 2>&1"
