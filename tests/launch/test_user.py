"""Users without a home."""

import os
import pwd

import pytest

from calcium_latents.launch.user import caches, identity


def test_a_user_with_a_home_keeps_own_caches(tmp_path):
    assert caches({"XDG_CACHE_HOME": str(tmp_path / "not/yet/there")}, tmp_path) == {}
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize("home", ["/dev/null/nobody", "relative"])
def test_without_one_they_lie_where_results_do(tmp_path, home):
    below = f"{tmp_path}/.snakemake/caches"
    found = caches({"XDG_CACHE_HOME": home}, tmp_path)
    assert found == {"XDG_CACHE_HOME": below, "MPLCONFIGDIR": f"{below}/matplotlib"}
    assert caches({"XDG_CACHE_HOME": home, "MPLCONFIGDIR": "/own"}, tmp_path)["MPLCONFIGDIR"] == "/own"


def test_a_user_whom_the_system_does_not_know_has_a_name(monkeypatch):
    def unknown(number):
        raise KeyError(number)

    assert identity({}) == {}
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert identity({}) == {"LOGNAME": str(os.getuid()), "HOME": "/nonexistent"}
    assert identity({"LOGNAME": "me", "HOME": "/here"}) == {"LOGNAME": "me", "HOME": "/here"}
