"""What a search does: Hydra group `search`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from calcium_latents.errors import UserError
from calcium_latents.models.lfads.metrics import METRICS
from calcium_latents.parameter_section import is_number
from calcium_latents.search.search_space import SearchedHyperparameter, read_search_space

KINDS = ("random", "pbt")
#: fields without influence on the result
MACHINE_ONLY = ("workers", "jobs")


@dataclass(frozen=True)
class SearchSettings:
    """Fields of config/search/pbt.yaml.

    Attributes:
        kind: "pbt" copies and perturbs, "random" leaves every member the hyperparameters that it drew.
        population: members.
        generation_epochs: epochs a generation.
        first_generation_epochs: further epochs of the first generation, before its own.
        generations: at most, those of the finish included.
        patience: generations without improvement after which the search ends, or its finish begins; None: never.
        finish_generations: last generations, in which the learning rates fall and copies are not perturbed.
        minimum_improvement: relative improvement over `patience` generations that counts as none.
        metric: validation metric that is lowered.
        smoothing: weight of the newest validation in the moving average of the metric.
        validate_last_epochs: epochs at the end of a generation that are validated.
        members_at_once: members trained as one batched program; None: one on the CPU, all on a GPU.
        workers: processes on this machine; None: `processes` of the training command, on a GPU one.
        jobs: jobs of a cluster that share the search, see workflow/rules/training.smk.
        hyperparameters: name -> how it is drawn and perturbed.
    """

    kind: str
    population: int
    generation_epochs: int
    first_generation_epochs: int
    generations: int
    finish_generations: int
    patience: int | None
    minimum_improvement: float
    metric: str
    smoothing: float
    validate_last_epochs: int
    hyperparameters: dict[str, SearchedHyperparameter] = field(repr=False)
    members_at_once: int | None = None
    workers: int | None = None
    jobs: int = 0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise self._wrong("kind", f"one of {', '.join(KINDS)}")
        if self.metric not in METRICS:
            raise self._wrong("metric", f"one of {', '.join(METRICS)}")
        least = {
            "population": 2,
            "generation_epochs": 1,
            "first_generation_epochs": 0,
            "generations": 1,
            "finish_generations": 0,
            "validate_last_epochs": 1,
            "patience": 1,
            "members_at_once": 1,
            "workers": 1,
            "jobs": 0,
        }
        for name, bound in least.items():
            value = getattr(self, name)
            optional = name in ("patience", "members_at_once", "workers")
            if not (value is None and optional) and not (
                is_number(value) and isinstance(value, int) and value >= bound
            ):
                raise self._wrong(name, f"a whole number of at least {bound}{' or null' if optional else ''}")
        if self.kind == "random" and self.finish_generations:
            raise self._wrong("finish_generations", "0 for search.kind=random (see config/training)")
        if self.finish_generations >= self.generations:
            raise self._wrong("finish_generations", f"fewer than search.generations ({self.generations})")
        if not (is_number(self.minimum_improvement) and self.minimum_improvement >= 0):
            raise self._wrong("minimum_improvement", "a number of at least 0")
        if not (is_number(self.smoothing) and 0 < self.smoothing <= 1):
            raise self._wrong("smoothing", "a number above 0 and at most 1")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "SearchSettings":
        """Read the Hydra group `search` of a training command's `config`.

        Raises UserError where a field is unknown, missing or wrong, or the model has no hyperparameters to search.
        """
        given, model = config["search"], config["model"]
        if "hyperparameters" not in model:
            raise UserError(
                f"search.kind: expected a model of the LFADS family under search={given.get('kind')}, found"
                f" {model['_target_']}. Train it with search=none."
            )
        section: dict[str, Any] = {name: value for name, value in given.items() if name != "_target_"}
        known = {part.name for part in fields(cls)}
        missing = sorted(known - set(section) - {"members_at_once", *MACHINE_ONLY})
        if unknown := sorted(set(section) - known):
            raise UserError(f"search: expected fields among {', '.join(sorted(known))}, found {', '.join(unknown)}.")
        if missing:
            raise UserError(
                f"search: expected the fields {', '.join(missing)} too, found {', '.join(sorted(section))}."
            )
        section["hyperparameters"] = read_search_space(section["hyperparameters"], list(model["hyperparameters"]))
        return cls(**section)

    def epochs_after(self, generation: int) -> int:
        """Epochs that every member has behind it after `generation` (from 1; 0: before the first)."""
        return self.first_generation_epochs + generation * self.generation_epochs if generation else 0

    def groups(self, accelerator: str) -> list[range]:
        """Members of each batched program."""
        size = self.members_at_once or (1 if accelerator == "cpu" else self.population)
        return [range(first, min(first + size, self.population)) for first in range(0, self.population, size)]

    def _wrong(self, name: str, expected: str) -> UserError:
        return UserError(f"search.{name}: expected {expected}, found {getattr(self, name)!r}. See config/search.")
