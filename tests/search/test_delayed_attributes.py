"""Claims on a network disk, where a worker may see late what others wrote: times, names, whether they exist."""

import multiprocessing
import os
import time
from pathlib import Path

from calcium_latents.search import claims


def test_a_holder_whose_times_are_seen_late_lives(tmp_path):
    """NFS keeps a file's attributes for up to a minute: of a holder that beats, the last sign seen may be that old."""
    file = tmp_path / "group-0.claim-0000"
    file.write_text("1 another-machine")
    now = time.time()
    os.utime(file, (now, now - claims.BEAT_S - 60))
    assert claims.take(tmp_path, "group-0") is None
    os.utime(file, (now, now - claims.STALE_S - 1))
    assert claims.take(tmp_path, "group-0").path.name == "group-0.claim-0001"


def late(delay_s: float) -> None:
    """Let this process see, of files that it did not write itself, what was there `delay_s` ago."""
    born: dict[str, float] = {}
    whole_glob, whole_exists, whole_stat = Path.glob, Path.exists, Path.stat

    def seen(path: Path) -> bool:
        first = born.setdefault(str(path), time.monotonic())
        return time.monotonic() - first >= delay_s

    def glob(self, pattern, **options):
        return (path for path in whole_glob(self, pattern, **options) if seen(path))

    def exists(self, **options):
        return whole_exists(self, **options) and seen(self)

    times: dict[str, tuple[float, os.stat_result]] = {}

    def stat(self, **options):
        now = time.monotonic()
        kept = times.get(str(self))
        if kept is None or now - kept[0] >= delay_s:
            times[str(self)] = kept = (now, whole_stat(self, **options))
        return kept[1]

    Path.glob, Path.exists, Path.stat = glob, exists, stat


def work(folder: Path, delay_s: float, host: str, rounds: int) -> None:
    """Do `rounds` pieces of work together with others; each piece leaves a line by whoever did it."""
    claims.processes.socket.gethostname = lambda: host
    claims.BEAT_S = 0.05
    late(delay_s)
    for number in range(rounds):
        done = folder / f"piece-{number}.done"
        while not done.exists():
            claim = claims.take(folder, f"piece-{number}", stale_s=10 * delay_s)
            if claim is None:
                time.sleep(0.01)
                continue
            with claim:
                if not os.path.exists(done):  # seen at once: the folder has just been written to by this worker
                    with open(folder / f"piece-{number}.by", "a") as log:
                        log.write(f"{host}\n")
                    time.sleep(2 * delay_s)
                    done.touch()


def test_workers_of_several_machines_do_each_piece_once(tmp_path):
    start = multiprocessing.get_context("spawn")
    workers = [start.Process(target=work, args=(tmp_path, 0.3, f"host-{i}", 3)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    for number in range(3):
        assert len((tmp_path / f"piece-{number}.by").read_text().splitlines()) == 1


def test_a_name_that_is_not_listed_yet_is_not_taken_twice(tmp_path, monkeypatch):
    assert claims.take(tmp_path, "group-0") is not None
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    assert claims.take(tmp_path, "group-0") is None
