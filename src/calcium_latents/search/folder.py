"""The state of a search on disk, shared by all its workers; none of them leads.

    search/{digest}/                 of configuration, code and seed: another search has another folder
        origin.json                  what the digest is of
        history.csv, timing.csv      so far, for people
        generation-0007/
            group-0003.pt            state and measurements of a group's members after generation 7
            closed.json              all groups are there: whole history, best member, how generation 8 starts
        best/generation-0007.pt      the best member, of each generation that brought a better one; thinned

Everything is a pure function of what was there before, and is written atomically under its final name. So any worker
may write anything, also twice or late; one that is killed at any moment costs its own unfinished group and nothing
else. The last two closed generations are kept, older ones removed: a file that cannot be read, after damage to the
disk, counts as none, and the search goes on from what was before it.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from calcium_latents.errors import UserError
from calcium_latents.files import atomic_path, write_table
from calcium_latents.provenance import config_digest
from calcium_latents.search.claims import Claim, is_alive, take
from calcium_latents.training.torch_files import UnreadableFile, read_torch, write_torch

CLOSED = "closed.json"


class LostState(Exception):
    """A file that a search had written could not be read; it has been removed, and what was before it holds."""


class SearchFolder:
    """See the module's text.

    Args:
        directory: of the run; the state lies below its folder `search`.
        origin: provenance of the search. A search of another origin in the same directory is removed.

    Raises UserError when workers of a search of another origin are at work in the directory.
    """

    def __init__(self, directory: str | Path, origin: Mapping[str, Any]):
        above = Path(directory) / "search"
        self.path = above / config_digest(origin)
        for other in above.glob("*") if above.is_dir() else ():
            if other == self.path:
                continue
            if any(is_alive(claim) for claim in other.glob("generation-*/*.claim-*")):
                raise UserError(
                    f"{above}: expected no workers of another configuration or code, found some at work in"
                    f" {other.name}. Stop them, or wait two minutes after their end."
                )
            shutil.rmtree(other, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path / "origin.json") as path:
            path.write_text(json.dumps(origin, indent=1))

    def is_there(self) -> bool:
        """Tell whether the search goes on: the training command that writes its results removes its state, origin.json
        first. Ask after whatever seems to be missing."""
        return (self.path / "origin.json").is_file()

    def generation(self, number: int) -> Path:
        """Folder of a generation."""
        return self.path / f"generation-{number:04d}"

    def group(self, generation: int, number: int) -> Path:
        """File of a group's end state."""
        return self.generation(generation) / f"group-{number:04d}.pt"

    def claim_group(self, generation: int, number: int) -> Claim | None:
        """Claim the training of a group, or return None where another worker holds it."""
        self.generation(generation).mkdir(exist_ok=True)
        return take(self.generation(generation), self.group(generation, number).stem)

    def save_group(self, generation: int, number: int, record: Mapping[str, Any]) -> None:
        """Write a group's end state: members (a state each), rows, seconds."""
        write_torch(dict(record), self.group(generation, number))

    def finished(self, generation: int) -> int:
        """Number of groups that have been trained in a generation."""
        return sum(1 for _ in self.generation(generation).glob("group-*.pt"))

    def last_closed(self) -> dict[str, Any] | None:
        """What the last complete generation left; None before the first."""
        for path in sorted(self.path.glob(f"generation-*/{CLOSED}"), reverse=True):
            try:
                outcome = json.loads(path.read_text())
                if path.parent == self.generation(outcome["generation"]):
                    return outcome
                self._lose(path, f"{path}: expected the state of a search, found another generation's.")
            except FileNotFoundError:  # a later one has been closed meanwhile
                return self.last_closed()
            except (ValueError, TypeError, KeyError) as error:
                self._lose(path, f"{path}: expected the state of a search, found an unreadable one ({error}).")
        return None

    def read_group(self, generation: int, number: int) -> dict[str, Any]:
        """Read what `save_group` wrote.

        Raises:
            FileNotFoundError: there is none.
            LostState: it could not be read; the group is to be trained again, and its generation to be closed again.
        """
        path = self.group(generation, number)
        try:
            return read_torch(path, mapped=True)
        except UnreadableFile as error:
            (self.generation(generation) / CLOSED).unlink(missing_ok=True)
            self._lose(path, str(error))
            raise LostState(str(path)) from error

    def read_best(self, generation: int) -> dict[str, Any]:
        """Read the member that was the best until and in `generation`.

        Raises:
            LostState: it could not be read; the search has lost all its state, and is to start anew.
        """
        try:
            return read_torch(self.best(generation), mapped=True)
        except (UnreadableFile, FileNotFoundError) as error:
            print(f"{error} The search starts anew.", file=sys.stderr)
            for folder in (*self.path.glob("generation-*"), self.path / "best"):
                shutil.rmtree(folder, ignore_errors=True)
            raise LostState(str(self.best(generation))) from error

    @staticmethod
    def _lose(path: Path, why: str) -> None:
        print(f"{why} It counts as none.", file=sys.stderr)
        path.unlink(missing_ok=True)

    def best(self, generation: int) -> Path:
        """File of the member that was the best until and in `generation`."""
        return self.path / f"best/generation-{generation:04d}.pt"

    def close(self, outcome: Mapping[str, Any], best: Mapping[str, Any] | None) -> None:
        """Record a complete generation.

        Args:
            outcome: plain values: generation, history, timing, kept (generations whose best is kept), and more.
            best: the best member's state, if this generation brought it.
        """
        generation = outcome["generation"]
        if best is not None:
            write_torch(best, self.best(generation))
        with atomic_path(self.generation(generation) / CLOSED) as path:
            path.write_text(json.dumps(outcome))
        for name in ("history", "timing"):
            write_table(pd.DataFrame(outcome[name]), self.path / f"{name}.csv")
        # no newer ones: this worker may be late
        for old in self.path.glob("generation-*"):
            if old.name < self.generation(generation - 1).name:
                shutil.rmtree(old, ignore_errors=True)
        keep = {self.best(number) for number in outcome["kept"]}
        for old in self.path.glob("best/generation-*.pt"):
            if old not in keep and old.name < self.best(generation).name:
                old.unlink(missing_ok=True)

    def members(self, generation: int, groups: list[range]) -> "MemberFiles":
        """Read members' states after a generation."""
        return MemberFiles(self, generation, groups)


class MemberFiles:
    """States of members after a generation, each group's file read once."""

    def __init__(self, folder: SearchFolder, generation: int, groups: list[range]):
        self.folder, self.generation, self.groups = folder, generation, groups
        self._read: dict[int, dict[str, Any]] = {}

    def __getitem__(self, member: int) -> dict[str, Any]:
        number = next(number for number, members in enumerate(self.groups) if member in members)
        if number not in self._read:
            self._read[number] = self.folder.read_group(self.generation, number)
        return self._read[number]["members"][member - self.groups[number].start]
