# What is done around the command of every job; planning/rules.py puts `begin_job` before each, Snakefile's shells read this.
# bash, and flock (util-linux) where GPUs are leased.

# begin_job RULE GPUS MEMORY_MB MINUTES LOG
# Sends what the command says to LOG, sets $accelerator (gpu or cpu), shows the job its own GPUs and no others, and sees to
# it that the log of a job that was killed says so.
begin_job() {
    job_rule=$1 job_memory_mb=$3 job_minutes=$4
    : >"$5"
    # where the command notes what it took, and when it began
    export CALCIUM_LATENTS_BENCHMARK="${5/\/logs\//\/benchmarks\/}" CALCIUM_LATENTS_BEGAN=${EPOCHREALTIME:-$(date +%s)}
    CALCIUM_LATENTS_BENCHMARK="${CALCIUM_LATENTS_BENCHMARK%.log}.tsv"
    exec >>"$5" 2>&1
    # Where the whole job is killed at once, as some clusters do, nobody is left to say more than this.
    echo "job: may take $3 MB and $4 minutes; if it failed and nothing follows here, it was killed from outside, for taking more or by hand"
    trap 'end_job $?' EXIT
    trap 'exit 143' TERM
    accelerator=cpu
    if [ "$2" -gt 0 ]; then
        accelerator=gpu
        lease_gpus "$2"
    else
        export CUDA_VISIBLE_DEVICES=
    fi
}

end_job() {
    case $1 in
    137) echo "error: killed, most likely for memory: it may take $job_memory_mb MB. Each retry may take more (--retries 2);" \
        "or let it take more at once: --set-resources $job_rule:mem_mb=$((2 * job_memory_mb))" ;;
    143) echo "error: stopped from outside: by hand, or because it may take $job_minutes minutes. Each retry may take longer" \
        "(--retries 2); or let it take longer at once: --set-resources $job_rule:runtime=$((2 * job_minutes))" ;;
    esac
}

# lease_gpus COUNT
# Leaves visible COUNT of this machine's GPUs ($CALCIUM_LATENTS_GPUS, which ./run sets; a cluster gives each job its own)
# that no other job has. A GPU is leased by a lock on a file that the job's processes hold open: however they end, it is
# free again, and not before the last of them has ended.
lease_gpus() {
    [ -n "${CALCIUM_LATENTS_GPUS:-}" ] || return 0
    local folder queue gpus=() gpu lock locks leased said=
    IFS=, read -ra gpus <<<"$CALCIUM_LATENTS_GPUS"
    if [ "$1" -gt "${#gpus[@]}" ]; then
        echo "error: GPUs: expected at most ${#gpus[@]} ($CALCIUM_LATENTS_GPUS), found a job that asks for $1." \
            "Let it take fewer: --set-resources $job_rule:gpu=${#gpus[@]}"
        exit 2
    fi
    folder=/tmp/calcium-latents-gpus-$(id -u)
    mkdir -p -m 700 "$folder"
    exec {queue}>"$folder/queue"
    flock "$queue" # one job at a time takes GPUs, so that two never wait for each other's
    while true; do
        leased=() locks=()
        for gpu in "${gpus[@]}"; do
            exec {lock}>"$folder/${gpu//\//-}"
            if flock --nonblock "$lock"; then leased+=("$gpu") locks+=("$lock"); else exec {lock}>&-; fi
            [ "${#leased[@]}" -lt "$1" ] || break 2
        done
        for lock in ${locks[@]+"${locks[@]}"}; do exec {lock}>&-; done
        [ -n "$said" ] || echo "job: waits for a free GPU of $CALCIUM_LATENTS_GPUS"
        said=1
        sleep 0.5
    done
    exec {queue}>&-
    CUDA_VISIBLE_DEVICES=$(IFS=,; echo "${leased[*]}")
    export CUDA_VISIBLE_DEVICES
}
