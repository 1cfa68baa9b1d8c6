"""What the workflow needs to know of the study `digital_twin`: simulated neurons, and a user's responses."""

import os

from calcium_latents.configuration import merge
from calcium_latents.errors import UserError
from calcium_latents.files import user_path
from calcium_latents.models.digital_twin.parameters import CoreSizes
from calcium_latents.parameter_section import WrongFieldsError
from calcium_latents.planning.paths import require_no_braces
from calcium_latents.planning.plan import Plan, model_of
from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import VisualCortexExperiment
from calcium_latents.studies.digital_twin.image_recording_parameters import ImageRecording
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import (
    DifferenceGridParameters,
    GaborGridParameters,
)

TRAINED_ON = "responses.nc"
#: method -> (label, colour, marker), in the order of legends
LABELS = {
    "digital_twin": ("digital twin", "vermillion", "o"),
    "digital_twin_published": ("digital twin, published recipe", "purple", "P"),
    "poisson_glm": ("Poisson GLM", "blue", "s"),
    "shuffled images": ("shuffled images", "grey", "x"),
}


def datasets(plan: Plan) -> list[str]:
    """Return the datasets that can be made; optional ones whose files are missing are named and left out.

    Raises UserError when files of one that is not optional are missing.
    """
    settings, names = plan.settings["digital_twin"], []
    for name in settings["run"]:
        place = f"{plan.chosen_by}, field 'digital_twin.datasets.{name}"
        dataset = settings["datasets"][name]
        if "parameters" in dataset or response_folder(plan, name) is not None:
            names.append(name)
        elif dataset["optional"]:
            plan.notice(
                f"responses to images '{name}' are left out: {dataset['folder']} is not in the data directory or the"
                " repository."
            )
        else:
            raise UserError(
                f"{place}.folder': expected an existing folder, found {dataset['folder']!r}, which is neither in the"
                f" data directory ({plan.settings['data_directory']}) nor in {plan.root}. Correct the path, put"
                " the files there, or set 'optional: true' to leave the dataset out."
            )
    return names


def check(plan: Plan) -> None:
    """Check that the files of recordings are there. Raises UserError."""
    for name in datasets(plan):
        dataset = plan.settings["digital_twin"]["datasets"][name]
        folder = response_folder(plan, name) if "recording" in dataset else None
        for file in ImageRecording(**dataset["recording"]).files if folder else ():
            if not user_path(file, folder).is_file():
                raise UserError(
                    f"{plan.chosen_by}, field 'digital_twin.datasets.{name}.recording': expected an existing file,"
                    f" found {file!r}, which is not in {folder}. Correct the name."
                )


def check_data(plan: Plan) -> None:
    """Check that simulated images are as large as filters and grids of stimuli need. Raises UserError."""
    settings = plan.settings["digital_twin"]
    for name in groups(plan)["simulated"]:
        said = VisualCortexExperiment.from_mapping(
            merge(settings["simulated"], settings["datasets"][name]["parameters"])
        )
        place = f"{plan.chosen_by}, field 'digital_twin.datasets.{name}'"
        for run in plan.trained("digital_twin", name):
            model = plan.composed("digital_twin", name, model_of(run)).config["model"]
            if "kernels" in model:
                sizes = CoreSizes(**{field: model[field] for field in CoreSizes.model_fields})
                try:
                    sizes.map_shape(said.shape)
                except UserError as error:
                    raise UserError(f"{place}: {error}") from None
            elif model["folds"] > said.training_images:
                raise UserError(
                    f"{place}: expected at least {model['folds']} training images (model.folds), found"
                    f" {said.training_images}."
                )
        for kind, field in ((GaborGridParameters, "gabors"), (DifferenceGridParameters, "differences")):
            grid = settings["optimal_stimuli"].get(field, {})
            try:
                kind.from_mapping({**grid, "image_shape": said.shape})
            except WrongFieldsError as error:
                raise UserError(f"{place}: its images and digital_twin.optimal_stimuli.{field}: {error}") from None


def groups(plan: Plan) -> dict:
    """Return the groups of datasets that figures and claims read."""
    settings, names = plan.settings["digital_twin"]["datasets"], datasets(plan)
    simulated = [name for name in names if "parameters" in settings[name]]
    probed = [name for name in names if settings[name]["in_silico"]]
    keys = {name: name if position else "" for position, name in enumerate(probed)}  # the first bears plain names
    return {
        "datasets": names,
        "simulated": simulated,
        "imported": [name for name in names if name not in simulated],
        "probed": {keys[name]: name for name in probed},
        "scanned": {keys[name]: name for name in probed if name in simulated},  # neurons that can be asked again
    }


def response_folder(plan: Plan, dataset: str) -> str | None:
    """Return the folder of a user's recording of responses to images, or None."""
    folder = plan.settings["digital_twin"]["datasets"][dataset]["folder"]
    for parent in filter(None, (plan.settings["data_directory"], plan.root)):
        path = os.path.abspath(user_path(folder, parent))
        if os.path.isdir(path):
            return path
    return None


def response_files(plan: Plan, dataset: str) -> list[str]:
    """Return the files that the entry of a recording of responses to images names."""
    folder = response_folder(plan, dataset) or ""

    def strings(value):
        if isinstance(value, str):
            yield value
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from strings(part)

    named = strings(plan.settings["digital_twin"]["datasets"][dataset]["recording"])
    found = list(filter(os.path.isfile, dict.fromkeys(str(user_path(name, folder)) for name in named)))
    for path in found:
        require_no_braces(f"{plan.chosen_by}, field 'digital_twin.datasets.{dataset}'", path)
    return found


def label(plan: Plan, dataset: str) -> str:
    """Return the name in print of a dataset."""
    return plan.settings["digital_twin"]["datasets"][dataset]["label"]
