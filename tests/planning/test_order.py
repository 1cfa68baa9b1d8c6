"""Cheap figures first, no core idle at the end, and a forecast that is a schedule."""

from types import SimpleNamespace

from fake_jobs import Job, planned
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.cli import get_argument_parser
from snakemake.settings.types import MaxJobsPerTimespan

from calcium_latents.planning.order import UNKNOWN_S, Order, job_name, let_scheduler_rest, read_seconds, schedule


def test_the_cheapest_figure_comes_first_and_shared_work_counts_once():
    seconds = {"simulate": 2, "train": 60, "small": 1, "large": 1, "other": 5}
    needs = {
        "simulate": [],
        "train": ["simulate"],
        "small": ["simulate"],
        "large": ["train"],
        "other": [],
        "claims": [],
    }
    order = list(schedule(seconds, needs, ["large", "other", "small"], cores=1))
    # the chain to `large` is as long as everything: on one core nothing waits for it
    assert order.index("simulate") < order.index("train")
    many = {f"{n}": 100 for n in range(4)}
    order = list(schedule(seconds | many, needs | dict.fromkeys(many, ()), ["large", "other", "small"], cores=2))
    assert order[:3] == ["simulate", "other", "small"] or order[:3] == ["simulate", "small", "other"]


def test_a_long_chain_starts_before_figures_would_leave_it_for_the_end():
    seconds = {"a": 50, "b": 50, "last": 1} | {f"figure{n}": 10 for n in range(10)}
    needs = {job: [] for job in seconds} | {"b": ["a"], "last": ["b"]}
    slots = schedule(seconds, needs, [job for job in seconds if job.startswith("fig")] + ["last"], cores=2)
    assert max(slot.end for slot in slots.values()) == 101  # 201 s of work, of which 101 wait for each other
    assert slots["figure0"].end == 10


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 12))
    needs = {n: draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else set() for n in range(count)}
    seconds = {n: draw(st.floats(0, 100)) for n in range(count)}
    return seconds, needs, draw(st.lists(st.integers(0, count - 1), unique=True)), draw(st.integers(1, 4))


@given(graphs())
@settings(deadline=None)
def test_a_forecast_is_a_schedule(graph):
    seconds, needs, figures, cores = graph
    slots = schedule(seconds, needs, figures, cores)
    assert set(slots) == set(seconds)
    starts = [slot.start for slot in slots.values()]
    assert starts == sorted(starts)
    for job, slot in slots.items():
        assert slot.end == slot.start + seconds[job]
        assert all(slots[other].end <= slot.start for other in needs[job])
        running = [other for other, at in slots.items() if at.start <= slot.start < at.end]
        assert len(running) <= cores
    # list scheduling is at most twice as long as the best there is
    longest = dict(seconds)
    for job in sorted(seconds):
        longest[job] = seconds[job] + max((longest[other] for other in needs[job]), default=0)
    end = max(slot.end for slot in slots.values())
    assert end <= sum(seconds.values()) / cores + max(longest.values()) + 1e-6


def test_a_figure_that_readers_wait_for_comes_soon():
    seconds = {"train": 95, "main": 5, **{f"small{n}": 4 for n in range(3)}, **{f"large{n}": 10 for n in range(9)}}
    needs = {job: ["train"] if job == "main" else [] for job in seconds}
    figures = [job for job in seconds if job != "train"]
    filler = {f"filler{n}": 100 for n in range(3)}
    args = seconds | filler, needs | dict.fromkeys(filler, ()), figures, 1
    late, soon = (list(schedule(*args, soon=chosen)).index("main") for chosen in ([], ["main"]))
    assert late == 13 and soon == 4  # after the three that take less than a twentieth, and what it needs


def test_what_is_under_way_is_not_begun_again():
    slots = schedule({"a": 10, "b": 10}, {"a": [], "b": ["a"]}, ["b"], 2, under_way={"a": 4})
    assert slots == {"a": (0, 6), "b": (6, 16)}
    assert schedule({"a": 10}, {"a": []}, [], 1, under_way={"a": 40})["a"].end == 1  # late, not done


def test_priorities_follow_the_table_of_seconds(tmp_path):
    table = tmp_path / "seconds.csv"
    table.write_text(
        "scale,job,cpu_s\nquick,study/a/train,100\nquick,study/b/train,2\nquick,study/c/train-1,30\nsmoke,study/a/train,1\n"
    )
    seconds = read_seconds(table, "quick")
    assert seconds == {"study/a/train": 100, "study/b/train": 2, "study/c/train-1": 30}
    assert read_seconds(table, "paper") == read_seconds(tmp_path / "none.csv", "quick") == {}
    slow, fast = Job("train", "a"), Job("train", "b")
    draw_slow, draw_fast = Job("figure1", "a", [slow]), Job("figure2", "b", [fast])
    extra = [Job("extra", str(n)) for n in range(30)]
    order = Order(planned([slow, fast, draw_slow, draw_fast, *extra], 1), {"figure1", "figure2"}, seconds)
    assert job_name(slow) == "study/a/train"
    assert order.seconds(Job("train", "new")) == 30 and order.seconds(Job("unknown", "a")) == UNKNOWN_S
    assert order.priority("train", {"dataset": "b"}) > order.priority("train", {"dataset": "a"})
    assert order.priority("figure2", {"dataset": "b"}) > order.priority("figure1", {"dataset": "a"})
    slots = order.forecast([slow], speed=2)
    assert slots[slow].end == 50


def test_the_scheduler_rests_between_jobs_unless_the_user_limits_their_rate():
    def limited(*limit):
        settings = SimpleNamespace(max_jobs_per_timespan=SimpleNamespace(max_jobs=limit[0], timespan=limit[1]))
        workflow = SimpleNamespace(scheduling_settings=settings, scheduler=SimpleNamespace(job_rate_limiter="set"))
        let_scheduler_rest(workflow)
        return workflow.scheduler.job_rate_limiter

    default = MaxJobsPerTimespan.parse_choice(
        next(a.default for a in get_argument_parser()._actions if a.dest == "max_jobs_per_timespan")
    )
    assert limited(default.max_jobs, default.timespan) is None and limited(5, 60) == "set"
