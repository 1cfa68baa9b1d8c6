"""Every parameter of Poisson regression on pixels."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from calcium_latents.models.digital_twin.parameters import ImageOptions
from calcium_latents.parameter_section import Count, Numeric, ParameterSection, Positive, Text
from calcium_latents.training.parameters import ClosedForm, Run


class PoissonGlmModel(ParameterSection):
    """Poisson regression on pixels: config/model/poisson_glm.yaml."""

    SECTION: ClassVar[str] = "model"

    name: Text
    """Of the model in results."""
    penalty_range: tuple[Positive, Positive]
    """Smallest and largest penalty; see `models.poisson_glm.regression` for their scale."""
    penalties: Count
    """How many to choose from, log-spaced."""
    folds: Annotated[int, Numeric(whole=True), Field(ge=2)]
    """Of the cross-validation, within the training images."""
    tolerance: Positive
    """Of the fits; see `PoissonRegression`."""

    @model_validator(mode="after")
    def _check_range(self):
        low, high = self.penalty_range
        if low > high:
            raise self.wrong("penalty_range", "the smaller number first", list(self.penalty_range))
        return self


class PoissonGlmRun(Run):
    """A run of Poisson regression on pixels."""

    model: PoissonGlmModel
    """A file of config/model."""
    data: ImageOptions
    """A file of config/data."""
    training: ClosedForm
    """A file of config/training."""
