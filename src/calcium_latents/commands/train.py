"""Train one model on one recording: the only training command, for every model. Configured by Hydra (config/train.yaml)."""

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
    import pytorch_lightning as lightning
    import torch

    from calcium_latents.files import atomic_path
    from calcium_latents.provenance import provenance
    from calcium_latents.recordings import read_recording, write_inferred

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    torch.set_num_threads(config.threads)
    settings = OmegaConf.to_container(config, resolve=True)
    recording = read_recording(config.recording)
    family = hydra.utils.instantiate(config.model, _convert_="all")
    module, batches, steps = family.prepare(
        recording, config.recording, settings["data"], settings["training"], settings["search"], config.seed
    )
    trainer = lightning.Trainer(
        accelerator=config.accelerator,
        devices=1,
        max_steps=steps,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
    )
    trainer.fit(module, batches)
    result = family.result(module, recording)

    described = {**settings, "recording": recording.attrs.get("config_digest", config.recording)}
    origin = provenance(described, [__spec__.name, *_targets(settings["model"])], config.seed)
    for name, value in (("checkpoint", {**result.checkpoint, **origin}), ("snapshots", result.snapshots)):
        with atomic_path(directory / f"{name}.pt") as path:
            torch.save(value, path)
    for name, table in (("metrics", result.metrics), ("timing", result.timing)):
        with atomic_path(directory / f"{name}.csv") as path:
            table.to_csv(path, index=False)
    with atomic_path(directory / "config.yaml") as path:
        path.write_text(OmegaConf.to_yaml(config, resolve=True))
    write_inferred(result.inferred, directory / "inferred.nc", origin)


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
