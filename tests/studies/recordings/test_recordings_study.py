"""An entry's own options of deconvolution go over the scale's, and are checked when planning."""

from types import SimpleNamespace

import pytest

from calcium_latents.errors import UserError
from calcium_latents.studies.recordings import study


def plan(**own):
    options = {"s_min": -1.0, "baseline_nonnegative": False, "silent_probability": 0.01}
    cut = {"windows": {"length_s": 1.0, "overlap_s": 0.4, "least": 1000}}
    return SimpleNamespace(
        settings={
            "recordings": {"deconvolution": {"options": options}, "cut": cut},
            "recordings_file": "recordings.yaml",
        },
        recordings={"mine": {"file": "a.npy", "deconvolution": own}, "other": {"file": "b.npy"}},
        recordings_of=lambda _: ["mine", "other"],
    )


def test_an_entry_changes_single_options():
    changed = plan(baseline_nonnegative=True, silent_probability=None)
    study.check(changed)
    expected = {"s_min": -1.0, "baseline_nonnegative": True, "silent_probability": None}
    assert study.deconvolution_options(changed, "mine") == expected
    assert study.deconvolution_options(changed, "other")["silent_probability"] == 0.01
    assert study.import_parameters(changed, "mine") == {"file": "a.npy"}  # the import stays as it is


@pytest.mark.parametrize(
    ("own", "found"),
    [
        ({"s_mim": 0.1}, r"'recordings.mine.deconvolution': unknown field 's_mim'; did you mean 's_min'"),
        ({"silent_probability": 2}, r"'recordings.mine.deconvolution.silent_probability': expected a number above 0"),
    ],
)
def test_wrong_options_are_named_with_the_entry(own, found):
    with pytest.raises(UserError, match=found):
        study.check(plan(**own))
