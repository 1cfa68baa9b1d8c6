"""Claims: one holder at a time, and exactly one heir."""

import os
import subprocess
import sys
import threading

import pytest

from calcium_latents import processes
from calcium_latents.search import claims


def test_a_held_claim_is_not_given_again(tmp_path):
    with claims.take(tmp_path, "group-0"):
        assert claims.take(tmp_path, "group-0") is None
        assert claims.take(tmp_path, "group-1") is not None
    assert claims.take(tmp_path, "group-0") is not None


def test_a_claim_left_by_an_exception_is_free_at_once(tmp_path):
    with pytest.raises(ValueError), claims.take(tmp_path, "group-0"):
        raise ValueError
    assert claims.take(tmp_path, "group-0") is not None


def test_a_holder_shows_that_it_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT_S", 0.01)
    with claims.take(tmp_path, "group-0") as claim:
        os.utime(claim.path, (0, 0))
        beaten = threading.Event()
        for _ in range(500):
            if claims.is_alive(claim.path):
                break
            beaten.wait(0.01)
        assert claims.is_alive(claim.path)


def test_the_dead_of_this_machine_are_known_at_once(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / "group-0.claim-0000").write_text(processes.process_name(process.pid))
    assert claims.take(tmp_path, "group-0").path.name == "group-0.claim-0001"


@pytest.mark.parametrize("damaged", ["", "\0\0\0", "12 a-machine"])
def test_a_claim_that_names_nobody_holds_until_it_is_stale(tmp_path, damaged):
    file = tmp_path / "group-0.claim-0000"
    file.write_text(damaged)
    assert claims.take(tmp_path, "group-0") is None
    os.utime(file, (0, 0))
    assert claims.take(tmp_path, "group-0").path.name == "group-0.claim-0001"


def test_stale_claims_are_taken_over_by_exactly_one(tmp_path):
    """Many workers at once find claim after claim stale."""
    for round_ in range(20):
        file = tmp_path / f"group-0.claim-{round_:04d}"
        if not file.exists():
            file.write_text("1 another-machine")
        os.utime(file, (0, 0))
        barrier, taken = threading.Barrier(8), []

        def compete(barrier=barrier, taken=taken):
            barrier.wait()
            if (claim := claims.take(tmp_path, "group-0")) is not None:
                taken.append(claim.path.name)

        threads = [threading.Thread(target=compete) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert taken == [f"group-0.claim-{round_ + 1:04d}"]


def test_a_fresh_claim_of_another_machine_is_respected(tmp_path):
    file = tmp_path / "group-0.claim-0000"
    file.write_text("1 another-machine")
    assert claims.take(tmp_path, "group-0") is None
    assert claims.take(tmp_path, "group-0", stale_s=0.0) is not None
