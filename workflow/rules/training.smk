# events or traces -> what any model infers

# Keeps the allocator from returning the large temporaries of every step to the system: up to a third of a step's time.
# Scores of large arrays gain more: a ridge mapping takes 0.4 instead of 1.0 s.
ALLOCATOR = [
    "MALLOC_MMAP_MAX_=0",
    "MALLOC_TRIM_THRESHOLD_=17179869184",
    "MALLOC_TOP_PAD_=268435456",
    "THP_MEM_ALLOC_ENABLE=1",
]


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
        code=training_code,
    message:
        "Train {wildcards.model} on {wildcards.study}/{wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "env {params.allocator:q} python -m calcium_latents.commands.train {params.arguments:q} seed={wildcards.seed:q}"
        " accelerator=$accelerator threads=$OMP_NUM_THREADS processes={threads}"


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
        code=training_code,
    message:
        "Search {wildcards.model} on {wildcards.study}/{wildcards.dataset}, seed {wildcards.seed}: job {wildcards.worker}"
    shell:
        "env {params.allocator:q} python -m calcium_latents.commands.search_worker {params.arguments:q} seed={wildcards.seed:q}"
        " accelerator=$accelerator threads=$OMP_NUM_THREADS processes={threads}"
