"""Any text reaches a command through Hydra as it stands."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from calcium_latents.hydra_words import quoted

SPECIAL = "'\"\\${}[](),=:;~@?|*#%&<>! a/.-0"
PARSER = OverridesParser.create()


@settings(deadline=None, max_examples=60)
@given(st.text(st.sampled_from(SPECIAL) | st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1))
@example("1/2")
@example("null")
@example("\\${x}\\\\${y}")
def test_any_text_is_taken_as_it_stands(text):
    word = PARSER.parse_override(f"path={quoted(text)}")
    assert OmegaConf.create({"path": word.value()}).path == text


@pytest.mark.parametrize("text", ["/my lab's (old), a=b [1]/${oc.env:HOME}\\'\\", "~/x", "results/quick/a-b/events.nc"])
def test_a_configuration_is_composed_with_it(tmp_path, text):
    (tmp_path / "empty.yaml").write_text("path: ???\n")
    with initialize_config_dir(str(tmp_path), version_base=None):
        assert compose("empty", [f"path={quoted(text)}"]).path == text


def test_ordinary_paths_can_be_read():
    path = "results/quick/radical/lorenz-7hz/events.nc"
    assert quoted(path) == path
    assert quoted("results/my scale/events.nc") == "'results/my scale/events.nc'"
