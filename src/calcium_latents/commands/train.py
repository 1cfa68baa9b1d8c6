"""Train one model on one recording: the one training command of every model, configured by Hydra (config/train.yaml).

An interrupted run (killed, out of time) goes on from its last state, `resume.pt` in the run's directory, to the same
result as one that was never interrupted. The state is removed once the results are written.
"""

import logging
import sys
import warnings
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from calcium_latents.commands.cli import run_command

CONFIG = Path(__file__).resolve().parents[3] / "config"


def train(config: DictConfig, directory: Path) -> None:
    """Fit the configured model and write checkpoint, inferred rates, metrics, timing and snapshots to `directory`."""
    import torch

    from calcium_latents.files import atomic_path
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings.boxes import read_trained_on, write_left_behind

    torch.set_num_threads(config.threads)
    settings = OmegaConf.to_container(config, resolve=True)
    recording = read_trained_on(config.recording)
    family = hydra.utils.instantiate(config.model, _convert_="all")
    module, batches, steps = family.prepare(
        recording, config.recording, settings["data"], settings["training"], settings["search"], config.seed
    )
    described = {**settings, "recording": recording.attrs.get("config_digest", config.recording)}
    origin = provenance(described, [__spec__.name, *_targets(settings["model"])], config.seed)

    unfinished = directory / "resume.pt"
    module.on_checkpoint = lambda state: _save({"origin": origin, "state": state}, unfinished)
    if unfinished.is_file():
        saved = torch.load(unfinished, weights_only=False, map_location="cpu")
        if saved["origin"] == origin:
            module.resume(saved["state"])
            print(f"going on from step {module.step} of {steps} ({unfinished})", file=sys.stderr)
        else:
            print(f"{unfinished} is of another configuration or code: starting anew", file=sys.stderr)
    if module.step < steps:
        _fit(module, batches, steps - module.step, config.accelerator)
    result = family.result(module, recording)

    for name, value in (("checkpoint", {**result.checkpoint, **origin}), ("snapshots", result.snapshots)):
        _save(value, directory / f"{name}.pt")
    for name, table in (("metrics", result.metrics), ("timing", result.timing)):
        with atomic_path(directory / f"{name}.csv") as path:
            table.to_csv(path, index=False)
    with atomic_path(directory / "config.yaml") as path:
        path.write_text(OmegaConf.to_yaml(config, resolve=True))
    write_left_behind(result.inferred, directory / "inferred.nc", origin)
    unfinished.unlink(missing_ok=True)


def _fit(module, batches, steps: int, accelerator: str) -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    import pytorch_lightning as lightning

    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=1,
        max_steps=steps,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
    )
    trainer.fit(module, batches)


def _save(value: dict | list, path: Path) -> None:
    import torch

    from calcium_latents.files import atomic_path

    # to an open file: given a path, PyTorch writes its (temporary) name into the archive
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(value, file)


def _targets(model: dict) -> list[str]:
    """Modules of the classes that the model's config names."""
    return [str(model["_target_"]).rpartition(".")[0]]


@hydra.main(version_base=None, config_path=str(CONFIG), config_name="train")
def main(config: DictConfig) -> None:
    """Run the training command in Hydra's run directory."""
    directory = Path(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir)
    run_command(lambda: train(config, directory))


if __name__ == "__main__":
    main()
