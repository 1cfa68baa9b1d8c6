"""OpenBLAS's wide kernels are chosen where the processor has them, and nobody has chosen."""

import os

import pytest

from calcium_latents.training.blas import NEEDED, VARIABLE, use_wide_kernels


@pytest.mark.parametrize(
    ("vendor", "flags", "chosen", "expected"),
    [
        ("AuthenticAMD", NEEDED | {"fpu"}, None, "SkylakeX"),
        ("AuthenticAMD", NEEDED - {"avx512vl"}, None, None),
        ("GenuineIntel", NEEDED, None, None),  # known by name
        ("AuthenticAMD", NEEDED, "Haswell", "Haswell"),
    ],
)
def test_kernels_follow_the_processor(tmp_path, monkeypatch, vendor, flags, chosen, expected):
    monkeypatch.delenv(VARIABLE, raising=False)
    if chosen:
        monkeypatch.setenv(VARIABLE, chosen)
    processor = tmp_path / "cpuinfo"
    processor.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: {' '.join(sorted(flags))}\n\n")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert use_wide_kernels(processor) == (expected == "SkylakeX")
    assert os.environ.get(VARIABLE) == expected


def test_where_the_system_describes_no_processor_nothing_is_chosen(tmp_path):
    assert not use_wide_kernels(tmp_path / "missing")
