"""Take part in the search of a training command, with the same words (config/train.yaml), until it has ended.

Start it on as many machines as there are, with the same `hydra.run.dir` on a disk that they share; the training command
itself, then or later, writes the results. Each starts as many local workers as it has `processes`.
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from calcium_latents.commands.cli import run_command
from calcium_latents.commands.train import CONFIG, origin_of

LOOK_S = 0.5


def work(config: DictConfig, directory: Path) -> None:
    """Train members of the configured search until it has ended."""
    from calcium_latents.accelerator import device_of
    from calcium_latents.errors import UserError
    from calcium_latents.planning.runs import check_run
    from calcium_latents.recordings.boxes import read_trained_on
    from calcium_latents.search.launch import use_one_thread, work_together
    from calcium_latents.search.worker import Worker

    settings: Any = OmegaConf.to_container(config, resolve=True)
    parent = settings.pop("parent", None)
    settings = check_run(settings)
    device_of(settings["accelerator"])  # before anything is read
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    if "_target_" not in settings["search"]:
        raise UserError(f"search: expected one that workers can share (search=pbt), found {settings['search']}.")
    recording = read_trained_on(config.recording)
    family = hydra.utils.instantiate(settings["model"], _convert_="all")
    use_one_thread(settings)
    worker = Worker.make(family, recording, settings, origin_of(settings, recording), directory)
    if parent is None:
        work_together(worker, settings, directory)
    else:
        worker.work()


def _leave_with(parent: int) -> None:
    """End this process when the one that started it has ended, however that happened."""
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    print("the command that started this worker has ended", file=sys.stderr, flush=True)
    os._exit(1)


@hydra.main(version_base=None, config_path=str(CONFIG), config_name="train")
def main(config: DictConfig) -> None:
    """Take part in a search in Hydra's run directory."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    run_command(lambda: work(config, directory))


if __name__ == "__main__":
    main()
