"""Names of processes, which outlive them."""

import os
import subprocess

from calcium_latents import processes


def test_a_process_is_known_by_its_name_while_it_runs():
    other = subprocess.Popen(["sleep", "60"])
    name = processes.process_name(other.pid)
    assert processes.NAME.fullmatch(name) and name != processes.process_name()
    assert processes.is_alive(name) and processes.is_alive(processes.process_name())
    other.kill()
    other.wait()
    assert processes.is_alive(name) is False


def test_one_that_got_the_number_of_another_is_not_taken_for_it():
    machine, number, _ = processes.process_name().split("-")
    assert int(number) == os.getpid()
    assert processes.is_alive(f"{machine}-{number}-00000000") is False


def test_what_this_machine_cannot_know_it_does_not_say(monkeypatch):
    assert processes.is_alive("") is None and processes.is_alive("12 a-machine") is None
    name = processes.process_name()
    monkeypatch.setattr(processes.socket, "gethostname", lambda: "another")
    assert processes.is_alive(name) is None
