"""One worker of a search.

Workers have no leader and exchange nothing but files (see `folder`): each claims a group of the present generation,
trains it and writes its end state; whoever sees that a generation is complete computes what it led to. So any number of
workers, on one machine or on many that share the disk, at any time, work on one search, and the result does not depend
on how many there were. That is all that population-based training with synchronous generations needs. A scheduler of
its own (Ray, in lfads-torch; a server and a database, in the original) would have to be installed, kept running and
allowed through the network of a cluster, and would tie the result to the order in which messages arrive.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from calcium_latents.search.folder import LostState, SearchFolder
from calcium_latents.search.group_training import GroupTrainer
from calcium_latents.search.outcome import conclude, start
from calcium_latents.search.settings import SearchSettings

POLL_S = 0.5


@dataclass
class Worker:
    """Takes part in a search until it has ended.

    Attributes:
        settings: of the search.
        trainer: trains groups.
        folder: the search's state.
    """

    settings: SearchSettings
    trainer: GroupTrainer
    folder: SearchFolder

    @classmethod
    def make(
        cls, family: Any, recording: xr.Dataset, config: Mapping[str, Any], origin: Mapping[str, Any], directory: Path
    ) -> "Worker":
        """A worker on the search of a training command's `config`, whose state lies below `directory`.

        Raises UserError where the config, or the model, does not fit a search.
        """
        settings = SearchSettings.from_config(config)
        trainer = GroupTrainer.make(family, recording, config, settings)
        return cls(settings, trainer, SearchFolder(directory, origin))

    @property
    def groups(self) -> list[range]:
        """Members of each group."""
        return self.settings.groups(self.trainer.accelerator)

    def work(self) -> dict[str, Any] | None:
        """Train until the search has ended; return what it led to (see `outcome`), None where its state was removed."""
        while True:
            before = self.folder.last_closed() or start(self.settings, self.trainer.seed)
            if before["stopped"] is not None:
                return before
            if not self.folder.is_there():
                return None
            try:
                trained = [self._train(before, number) for number in range(len(self.groups))]
                if self.folder.finished(before["generation"] + 1) == len(self.groups):
                    self._close(before)
                elif not any(trained):
                    time.sleep(POLL_S)
            except LostState:
                continue
            except FileNotFoundError:
                # other workers may have gone on, and removed what this one, delayed, was about to read
                now = self.folder.last_closed() or {"generation": 0}
                if now["generation"] == before["generation"] and self.folder.is_there():
                    raise

    def _train(self, before: Mapping[str, Any], number: int) -> bool:
        """Train a group of the generation after `before`, unless another worker does or has; tell whether."""
        generation = before["generation"] + 1
        file = self.folder.group(generation, number)
        claim = None if file.exists() else self.folder.claim_group(generation, number)
        if claim is None:
            return False
        with claim:
            if file.exists():
                return False
            members = self.groups[number]
            values = {name: np.array(value)[list(members)] for name, value in before["hyperparameters"].items()}
            parents, streams = None, []
            if before["generation"]:
                states = self.folder.members(before["generation"], self.groups)
                parents = [states[before["parents"][member]] for member in members]
                streams = [states[member]["stream"] for member in members]
            record = self.trainer.train(generation, members, values, parents, streams, before["finish_after"])
            self.folder.save_group(generation, number, record)
        return True

    def _close(self, before: Mapping[str, Any]) -> None:
        generation = before["generation"] + 1
        records = [self.folder.read_group(generation, number) for number in range(len(self.groups))]
        rows = [row for record in records for row in record["rows"]]
        seconds = sum(record["seconds"] for record in records)
        outcome = conclude(self.settings, self.trainer.seed, before, rows, seconds)
        best = None
        if outcome["best"]["generation"] == generation:
            member = outcome["best"]["member"]
            row = outcome["history"][member - self.settings.population]
            best = {
                "generation": generation,
                "member": member,
                "step": row["step"],
                "metrics": {name: value for name, value in row.items() if name.endswith("_nll")},
                "state": _copied(self.folder.members(generation, self.groups)[member]["evaluated"]),
            }
        self.folder.close(outcome, best)


def _copied(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in state.items()}
