"""Train one model on one recording: the one training command of every model, configured by Hydra (config/train.yaml).

An interrupted run (killed, out of time) goes on from its last state, `resume.pt` or the folder `search` in the run's
directory, to the same result as one that was never interrupted. The state is removed once the results are written.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from calcium_latents.commands.cli import run_command

CONFIG = Path(__file__).resolve().parents[3] / "config"


def train(config: DictConfig, directory: Path) -> None:
    """Fit the configured model and write checkpoint, inferred rates, metrics, timing and snapshots to `directory`."""
    import torch

    from calcium_latents.accelerator import device_of
    from calcium_latents.files import atomic_path, write_table
    from calcium_latents.planning.runs import check_run
    from calcium_latents.recordings.boxes import read_trained_on, write_left_behind
    from calcium_latents.training.torch_files import write_torch

    settings: Any = check_run(cast(dict, OmegaConf.to_container(config, resolve=True)))
    device_of(settings["accelerator"])  # before anything is read
    torch.set_num_threads(settings["threads"])
    recording = read_trained_on(config.recording)
    family = hydra.utils.instantiate(settings["model"], _convert_="all")
    origin = origin_of(settings, recording)
    # a search brings its own way to fit, so that models trained without one do not depend on its code
    search = settings["search"].get("_target_")
    fit_all = fit_once if search is None else hydra.utils.get_method(search)
    result = fit_all(family, recording, settings, origin, directory)

    for name, value in (("checkpoint", {**result.checkpoint, **origin}), ("snapshots", result.snapshots)):
        write_torch(value, directory / f"{name}.pt")
    for name, table in (("metrics", result.metrics), ("timing", result.timing)):
        write_table(table, directory / f"{name}.csv")
    with atomic_path(directory / "config.yaml") as path:
        described = {name: value for name, value in settings.items() if name != "processes"}
        path.write_text(OmegaConf.to_yaml(OmegaConf.create(described)))
    write_left_behind(result.inferred, directory / "output.nc", origin)
    (directory / "resume.pt").unlink(missing_ok=True)
    for path in directory.glob("search/*/origin.json"):  # first: by it, other workers see that the search is over
        path.unlink()
    shutil.rmtree(directory / "search", ignore_errors=True)


def fit_once(family, recording, settings: Mapping[str, Any], origin: Mapping[str, Any], directory: Path):
    """Fit the model as it is configured, or go on with an interrupted run; return what it leaves behind."""
    from calcium_latents.training.fitting import fit
    from calcium_latents.training.torch_files import read_state, write_torch

    module, batches, steps = family.prepare(
        recording,
        settings["recording"],
        settings["data"],
        settings["training"],
        settings["search"],
        settings["seed"],
    )
    unfinished = directory / "resume.pt"
    module.on_checkpoint = lambda state: write_torch({"origin": origin, "state": state}, unfinished)
    saved = read_state(unfinished)
    if saved is not None and saved["origin"] == origin:
        module.resume(saved["state"])
        print(f"going on from step {module.step} of {steps} ({unfinished})", file=sys.stderr)
    elif saved is not None:
        print(f"{unfinished} is of another configuration or code: starting anew", file=sys.stderr)
    if not getattr(module, "has_ended", module.step >= steps):
        fit(module, batches, steps - module.step, settings["accelerator"])
    return family.result(module, recording)


def origin_of(settings: Mapping[str, Any], recording) -> dict[str, Any]:
    """Return the provenance of a run's results; how many processes share a search does not count."""
    from calcium_latents.provenance import provenance

    described = {**settings, "recording": recording.attrs.get("config_digest", settings["recording"])}
    search = settings["search"]
    del described["processes"]
    targets = [part["_target_"].rpartition(".")[0] for part in (settings["model"], search) if "_target_" in part]
    if "_target_" in search:
        del described["threads"]
        described["search"] = {key: value for key, value in search.items() if key not in ("workers", "jobs")}
    return provenance(described, [__spec__.name, *targets], settings["seed"])


@hydra.main(version_base=None, config_path=str(CONFIG), config_name="train")
def main(config: DictConfig) -> None:
    """Run the training command in Hydra's run directory."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    run_command(lambda: train(config, directory))


if __name__ == "__main__":
    main()
