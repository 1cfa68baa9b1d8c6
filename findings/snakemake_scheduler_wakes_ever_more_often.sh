#!/usr/bin/env bash
# Snakemake 9.27.1: while jobs wait for a core, its scheduler looks at all of them again and again, and the more often the
# more jobs have ended.
#
# Every look sets a timer of one second for the next one (the limit --max-jobs-per-timespan, by default 100/1s, might let
# more jobs begin by then), and every job that ends has a look of its own, with a timer of its own, which never stops: after n
# jobs there are some n looks a second. Each forgets the parameters of all jobs that wait, and asks the disk for the sizes of
# all their inputs. A run of 200 jobs on two cores spent some four seconds of a core a job on it.
#
# Seen here: 30 jobs of 0.6 s on one core. A scheduler that looks when a job has ended looks about 30 times; this one looked
# 291 times.
# What helps: there is no option without a limit; set `scheduler.job_rate_limiter` to None in `onstart`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
cat >"$work/Snakefile" <<'END'
rule all:
    input: expand("short-{n}.txt", n=range(30))

rule short:
    output: "short-{n}.txt"
    shell: "sleep 0.6; touch {output}"

onstart:
    if config.get("rest"):
        workflow.scheduler.job_rate_limiter = None
END
cd "$work"
count() {
    rm -f ./*.txt
    "$work/venv/bin/snakemake" --cores 1 --verbose --config "$1" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    grep -c "^Ready jobs:" "$work/log"
}
limited=$(count rest=) unlimited=$(count rest=1)
echo "the scheduler looked at the jobs that wait: $limited times as it is, $unlimited times without the limit"
[ "$limited" -ge 150 ] && [ "$unlimited" -le 70 ] || { echo "changed: expected at least 150 and at most 70"; exit 1; }
echo "as described"
