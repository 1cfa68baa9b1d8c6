import importlib.util
import sys

import numpy as np
import pytest

from calcium_latents.deconvolution import caiman, oasis
from calcium_latents.deconvolution.interface import deconvolve
from calcium_latents.errors import UserError
from calcium_latents.simulation.lorenz.lorenz_recording import simulate_lorenz_recording

SMALL = {"conditions": 2, "trials_per_condition": 12, "neurons": 5}


def _has_caiman() -> bool:
    try:
        return importlib.util.find_spec("caiman.source_extraction.cnmf.deconvolution") is not None
    except ModuleNotFoundError:
        return False


def test_missing_caiman_is_told_before_any_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "caiman", None)
    with pytest.raises(UserError, match="conda-forge"):
        deconvolve(simulate_lorenz_recording(SMALL, seed=1), "caiman")


def test_results_of_caiman_are_taken_as_its_function_returns_them(monkeypatch):
    """A stand-in with CaImAn's signature: (c, bl, c1, g, sn, sp, lam)."""
    asked = {}

    def constrained_foopsi(fluor, bl=None, c1=None, g=None, sn=None, p=None, **options):
        asked.update(options, p=p, g=g, known=(bl, sn))
        return fluor * 0, 0.5, 0.0, np.array([0.9]), 0.2, np.full(fluor.size, 0.3), 0.0

    monkeypatch.setattr(caiman, "constrained_foopsi", lambda: constrained_foopsi)
    result = caiman.deconvolve_trace(np.ones(40), 0.1, decay=0.8)
    assert asked == {
        "p": 1,
        "method_deconvolution": "oasis",
        "bas_nonneg": True,
        "s_min": 0.1,
        "g": [0.8],
        "known": (None, None),
    }
    assert (result.baseline, result.decay, result.noise, result.minimum) == (0.5, 0.9, 0.2, 0.1)
    assert (result.events == 0.3).all()
    caiman.deconvolve_trace(np.ones(40), 0.1, decay=0.8, noise=0.2, baseline=1.5)
    assert asked["known"] == (1.5, 0.2)
    assert caiman.deconvolve_trace(np.ones(40), -1.0).minimum == pytest.approx(0.2 * np.sqrt(0.1))


@pytest.mark.skipif(not _has_caiman(), reason="CaImAn is not installed (conda-forge: caiman)")
@pytest.mark.parametrize("s_min", [0.1, 0.0, None, -1.0])
def test_oasis_reproduces_caiman(s_min):
    recording = simulate_lorenz_recording(SMALL, seed=2)
    for neuron in range(recording.sizes["neuron"]):
        values = recording["fluorescence"].values[:, :, neuron]
        trace = values[np.isfinite(values)].astype(float)
        theirs, ours = caiman.deconvolve_trace(trace, s_min), oasis.deconvolve_trace(trace, s_min)
        np.testing.assert_allclose(ours.events, theirs.events, atol=1e-5)
        assert ours.decay == pytest.approx(theirs.decay, abs=1e-8)
