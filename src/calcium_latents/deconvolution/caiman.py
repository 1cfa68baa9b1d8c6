"""Deconvolution by CaImAn itself, where it is installed: the reference that `oasis` reproduces."""

import numpy as np

from calcium_latents.deconvolution.traces import DeconvolvedTrace
from calcium_latents.errors import UserError


def constrained_foopsi():
    """Return CaImAn's function.

    Raises
    ------
    UserError
        CaImAn is not installed.
    """
    try:
        from caiman.source_extraction.cnmf.deconvolution import constrained_foopsi as function
    except ImportError as error:
        raise UserError(
            f"deconvolution.method: 'caiman' needs CaImAn, which is not installed here ({error}). "
            "Install it from conda-forge (`conda install -c conda-forge caiman`; the package of that name on "
            "PyPI is another one), run the workflow with `--sdm conda`, or choose 'oasis', which gives the "
            "same events."
        ) from error
    return function


def deconvolve_trace(
    trace: np.ndarray,
    s_min: float | None = 0.1,
    *,
    decay: float | None = None,
    noise: float | None = None,
    baseline: float | None = None,
    baseline_nonnegative: bool = True,
) -> DeconvolvedTrace:
    """Deconvolve one finite trace [time] by CaImAn's `constrained_foopsi`; arguments as
    `oasis.deconvolve_trace`."""
    known = {name: value for name, value in (("bl", baseline), ("sn", noise)) if value is not None}
    _, baseline, _, decays, noise, events, _ = constrained_foopsi()(
        np.asarray(trace, dtype=float),
        g=None if decay is None else np.array([decay]),
        p=1,
        method_deconvolution="oasis",
        bas_nonneg=baseline_nonnegative,
        s_min=s_min,
        **known,
    )
    fitted_decay = float(np.ravel(decays)[0])
    minimum = s_min or 0.0
    if minimum < 0:
        minimum = -minimum * float(noise) * np.sqrt(1 - fitted_decay)
    return DeconvolvedTrace(
        np.asarray(events),
        float(np.ravel(baseline)[0]),
        fitted_decay,
        float(noise),
        minimum,
    )
