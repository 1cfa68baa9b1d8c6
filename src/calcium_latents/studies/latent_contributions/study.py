"""What the workflow needs to know of the study `latent_contributions`: applications to other studies."""

from typing import Any

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import unknown_field
from calcium_latents.planning.plan import Plan

EACH = "each recording"


def datasets(_: Plan) -> list[str]:
    """Return none: the study has applications instead."""
    return []


def check(plan: Plan) -> None:
    """Check that applications name datasets and models of the other study. Raises UserError."""
    for name, choice in plan.settings["latent_contributions"]["applications"].items():
        study = choice["study"]
        if study not in plan.studies:
            continue
        place = f"{plan.chosen_by}, field 'latent_contributions.applications.{name}"
        settings = plan.settings[study]
        known = {EACH, *settings.get("datasets", {}), *plan.settings["recording_files"]}
        for field, among in (("dataset", known), ("model", settings["models"])):
            if field in choice and choice[field] not in among:
                raise UserError(f"{place}.{field}': {unknown_field(choice[field], sorted(among), field)}")
        if "model" not in choice and choice["method"] != "pca":
            raise UserError(f"{place}.model': expected a model, for method {choice['method']}, found none.")


def applications(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return name -> settings of every application whose study and dataset take part in this run."""
    found = {}
    for name, choice in plan.settings["latent_contributions"]["applications"].items():
        study = choice["study"]
        if study not in plan.studies:
            plan.notice(f"latent contributions '{name}' are left out: study '{study}' is not run.")
        elif choice["dataset"] == EACH:
            found |= {f"{name}-{one}": {**choice, "dataset": one} for one in plan.recordings_of(study)}
        elif choice["dataset"] in plan.datasets(study):
            found[name] = choice
        else:
            plan.notice(
                f"latent contributions '{name}' are left out: dataset '{choice['dataset']}' of '{study}' is not run."
            )
    return found


def groups(plan: Plan) -> dict:
    """Return the applications."""
    return {"application": list(applications(plan))}


def applied(plan: Plan, application: str) -> dict[str, str]:
    """Return the files that an application reads: the recording, and what a model made of it."""
    choice = applications(plan)[application]
    study, dataset = choice["study"], choice["dataset"]
    files = {"recording": plan.box(study, dataset, choice["recording"])}
    if "model" in choice:
        folder = f"{choice['model']}/seed-{plan.settings[study]['seeds'][0]}"
        files["inferred"] = plan.box(study, dataset, f"{folder}/output.nc")
        if choice["method"] == "integrated_gradients":
            files["checkpoint"] = plan.box(study, dataset, f"{folder}/checkpoint.pt")
    return files
