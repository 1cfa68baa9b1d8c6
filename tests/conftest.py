"""What all tests share: where the repository and the real recordings are."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """The folder of real recordings; tests that need it are skipped where it is missing."""
    path = Path(os.environ.get("CALCIUM_LATENTS_DATA") or ROOT / "../shared/data").resolve()
    if not path.is_dir():
        pytest.skip(f"no real recordings: set CALCIUM_LATENTS_DATA ({path} is not a folder)")
    return path
