"""The plan of a run: which datasets, models and recordings take part, and where their files are."""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from calcium_latents.configuration import find_recording, named_files
from calcium_latents.errors import UserError
from calcium_latents.files import user_path
from calcium_latents.kept import Kept, digest_of
from calcium_latents.planning.composition import ComposedRun, compose_run
from calcium_latents.planning.paths import require_no_braces
from calcium_latents.planning.studies import description
from calcium_latents.provenance import PACKAGE, code_digest, files_digest
from calcium_latents.recording_formats import files_read

HEADER = f"{PACKAGE}.recordings.readers.header"
_HEADERS = Kept("headers.json", most=1024)
#: Fields of the training command that its rule sets itself.
SET_BY_RULES = {"seed", "recording", "accelerator", "threads", "processes"}


class Plan:
    """A checked configuration (see `configuration.load_configuration`), and what follows from it.

    Attributes:
        settings: the configuration; a section a study.
        root: the repository, where relative files of the configuration are looked for.
        recordings: name -> entry of the user's recordings whose files are there.
        recording_folders: name -> folder in which the recording was found.
        recording_sources: name -> the files that its import opens: of a folder, those in it.
        notices: what is left out, and why, in words for the user.
    """

    def __init__(self, settings: Mapping[str, Any], root: Path):
        self.settings, self.root = settings, root
        self.scale, self.seed, self.studies = settings["scale"], settings["seed"], settings["studies"]
        self.chosen_by = f"config/scale/{self.scale} (or --config)"  # where a study's fields stand, for messages
        self.notices: list[str] = []
        self.recordings: dict[str, dict[str, Any]] = {}
        self.recording_folders: dict[str, str] = {}
        require_no_braces("this repository", str(root))
        require_no_braces("the data directory", settings["data_directory"])
        self.recording_sources: dict[str, list[str]] = {}
        if "recordings" in self.studies:
            self._find_recordings()
        for study in self.studies:
            if "figures" in self.settings[study].get("datasets", {}):
                raise UserError(
                    f"{self.chosen_by}, field '{study}.datasets.figures': expected another name, since results have a"
                    " folder 'figures'."
                )
            if hasattr(description(study), "check"):
                description(study).check(self)

    def header(self, name: str, entry: Mapping[str, Any]) -> tuple[int, int, float] | None:
        """Return frames, neurons and rate (Hz) of a user's recording; see `recordings.readers.header.check_files`."""
        folder = self.recording_folders[name]
        own = [user_path(path, folder) for path in named_files(entry).values()]
        files = files_digest([*self.recording_sources[name], *own])
        key = digest_of(code_digest([HEADER]), files, folder, json.dumps(entry, sort_keys=True, default=str))
        return _HEADERS.get(key, lambda: self._header(name, entry))

    def _header(self, name: str, entry: Mapping[str, Any]) -> Any:
        from calcium_latents.recordings.readers.header import check_files  # slow to import

        try:
            return check_files(entry, self.recording_folders[name])
        except UserError as error:
            raise UserError(f"{self.settings['recordings_file']}, field 'recordings.{name}': {error}") from None

    def notice(self, text: str) -> None:
        """Keep a word for the user."""
        if text not in self.notices:
            self.notices.append(text)

    def box(self, study: str, dataset: str, file: str) -> str:
        """Return the path of a file of a dataset."""
        return f"results/{self.scale}/{study}/{dataset}/{file}"

    def reference(self, study: str, folder: str) -> str:
        """Return a folder of results/reference, which is not made by this run, as if it stood below the study's."""
        return os.path.relpath(self.root / "results/reference" / folder, f"results/{self.scale}/{study}")

    def datasets(self, study: str) -> list[str]:
        """Return the names of the study's datasets that take part."""
        found = getattr(description(study), "datasets", None)
        return list(found(self) if found else self.settings[study]["run"])

    def recordings_of(self, study: str) -> list[str]:
        """Return the names of the user's recordings that take part in a study."""
        return [name for name, entry in self.recordings.items() if study in entry["studies"]]

    def runs(self, study: str, dataset: str, variants: bool = False) -> list[str]:
        """Return the folders, below the dataset's, of all methods' results: smoothing baselines, then models.

        Models that are not scored (variants of another) only come with `variants`.
        """
        settings = self.settings[study]
        first, *_ = settings["seeds"]
        folders = [f"{method}/seed-{first}" for method in settings.get("smoothing", {})]
        for model, choice in settings["models"].items():
            if dataset in choice.get("datasets", [dataset]) and (variants or choice["scored"]):
                folders += [f"{model}/seed-{seed}" for seed in choice.get("seeds", settings["seeds"])]
        return folders

    def trained(self, study: str, dataset: str) -> list[str]:
        """Return the folders, below the dataset's, of the trained models' results."""
        models = self.settings[study]["models"]
        return [run for run in self.runs(study, dataset, variants=True) if model_of(run) in models]

    def outputs(self, study: str, dataset: str) -> list[str]:
        """Return what all methods leave behind on a dataset."""
        return [self.box(study, dataset, f"{run}/output.nc") for run in self.runs(study, dataset)]

    def trained_on(self, study: str, dataset: str) -> str:
        """Return the file that a study's models are trained on."""
        return self.box(study, dataset, getattr(description(study), "TRAINED_ON", "events.nc"))

    def overrides(self, study: str, dataset: str) -> list[str]:
        """Return Hydra's overrides that belong to a dataset."""
        found = getattr(description(study), "overrides", None)
        if found:
            return found(self, dataset)
        return self.settings[study].get("datasets", {}).get(dataset, {}).get("overrides", [])

    def deconvolution_options(self, study: str, dataset: str) -> dict[str, Any]:
        """Return the options of a dataset's deconvolution: the study's, under those of its entry."""
        found = getattr(description(study), "deconvolution_options", None)
        return found(self, dataset) if found else self.settings[study]["deconvolution"]["options"]

    def training_words(self, study: str, dataset: str | None, model: str) -> list[str]:
        """Return the words of the training command that configure one model: groups, then overrides."""
        choice = self.settings[study]["models"][model]
        groups = [f"{group}={choice[group]}" for group in ("data", "training", "search")]
        own = [] if dataset is None else self.overrides(study, dataset)
        return [f"model={model}", *groups, *choice["overrides"], *own]

    def composed(self, study: str, dataset: str | None, model: str) -> ComposedRun:
        """Return the training command's configuration for one model (on no dataset: its own words), and its digests.

        Raises UserError naming what is wrong in it, and where it stands.
        """
        place = f"{self.chosen_by}, field '{study}.models.{model}'" + (f" (dataset '{dataset}')" if dataset else "")
        words = self.training_words(study, dataset, model)
        for word in words:
            if (name := word.lstrip("+").partition("=")[0]) in SET_BY_RULES:
                raise UserError(f"{place}: {word!r}: {name} is set by the workflow; use `seeds`, or `resources`.")
        return compose_run(self.root, words, place)

    def compose_all(self) -> None:
        """Compose every run of every model, and look into the files that are there, before anything runs."""
        for study in self.studies:
            if "models" in self.settings[study]:
                used = set()
                for dataset in dict.fromkeys([*self.datasets(study), *self.recordings_of(study)]):
                    for run in self.trained(study, dataset):
                        self.composed(study, dataset, model_of(run))
                        used.add((dataset, model_of(run)))
                self._compose_unused(study, used)
            if hasattr(description(study), "check_data"):
                description(study).check_data(self)

    def _compose_unused(self, study: str, used: Collection[tuple[str, str]]) -> None:
        """Compose models that are trained on no dataset, and datasets that are not run: they are for other runs."""
        datasets, models = self.settings[study].get("datasets", {}), self.settings[study]["models"]
        for model, choice in models.items():
            if model not in {name for _, name in used}:
                self.composed(study, None, model)
            for dataset in choice.get("datasets", datasets):
                if (dataset, model) not in used and datasets.get(dataset, {}).get("overrides"):
                    self.composed(study, dataset, model)

    def _find_recordings(self) -> None:
        file, directory = self.settings["recordings_file"], self.settings["data_directory"]
        for name, entry in self.settings["recording_files"].items():
            for field, path in {"file": entry["file"], **named_files(entry)}.items():
                require_no_braces(f"{file}, field 'recordings.{name}.{field}'", path)
            folder = find_recording(entry, directory, self.root)
            if folder is not None:
                self.recording_folders[name] = str(folder)
                for field, path in named_files(entry).items():
                    if not os.path.isfile(user_path(path, folder)):
                        raise UserError(
                            f"{file}, field 'recordings.{name}.{field}': expected an existing file, found {path!r},"
                            f" which is not in {folder}."
                        )
                try:
                    path = user_path(entry["file"], folder)
                    self.recording_sources[name] = files_read(path, entry.get("format"), entry.get("key"))
                except (UserError, OSError) as error:
                    raise UserError(f"{file}, field 'recordings.{name}.file': {error}") from None
                self.recordings[name] = {key: value for key, value in entry.items() if key != "optional"}
            elif entry["optional"]:
                self.notice(
                    f"recording '{name}' is left out: {entry['file']} is not in the data directory or the repository."
                )
            else:
                raise UserError(
                    f"{file}, field 'recordings.{name}.file': expected an existing file or folder, found"
                    f" {entry['file']!r}, which is neither in the data directory ({directory}) nor in {self.root}."
                )

    def take_recordings(self, study: str, taken: Iterable[str]) -> None:
        """Check the user's recordings of a study, and say so where none are imported.

        Raises UserError where one bears a name that the study's results have for another folder.
        """
        if "recordings" not in self.studies and self.settings["recording_files"]:
            self.notice(f"{study} leaves your recordings out: study 'recordings', which imports them, is not run.")
        for name in self.recordings_of(study):
            if name.casefold() in {other.casefold() for other in taken}:
                raise UserError(
                    f"{self.settings['recordings_file']}, field 'recordings.{name}': expected another name, since"
                    f" '{name}' is one of the study {study}'s own. Rename the entry, or leave {study} out of its"
                    " studies."
                )


def model_of(run: str) -> str:
    """Return the model of a results folder `model/seed-1`."""
    return os.path.dirname(run)
