"""The section `digital_twin` of a scale: neurons and images, models of responses, bar codes, experiments in silico."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from calcium_latents.configuration.sections import Name, Structure, Study, Texts
from calcium_latents.parameter_section import LEFT_OUT, FieldsOf, Flag, Text
from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import GaborScan, VisualCortexExperiment
from calcium_latents.studies.digital_twin.bar_codes.bar_code_parameters import StudyOptions
from calcium_latents.studies.digital_twin.image_recording_parameters import ImageRecording
from calcium_latents.studies.digital_twin.optimal_stimuli.mei_parameters import MeiStudyParameters
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import OptimalStimuliParameters
from calcium_latents.studies.digital_twin.second_scan.scan_parameters import AgreementParameters, SelectionParameters
from calcium_latents.studies.digital_twin.tuning.tuning_parameters import ExperimentParameters, PropertyParameters


class Dataset(Structure):
    """Responses to images: of simulated neurons, or the user's."""

    label: Text
    """In print."""
    parameters: Annotated[dict[str, object], FieldsOf(VisualCortexExperiment)] = LEFT_OUT
    """Of simulated neurons, over those of `simulated`."""
    folder: Text = LEFT_OUT
    """Below the data directory or the repository, or absolute."""
    recording: ImageRecording = LEFT_OUT
    """How to read it."""
    optional: Flag = False
    """Left out, with a notice, where the folder is missing."""
    in_silico: Flag = True
    """Bar codes and experiments beside scores."""
    overrides: Texts = ()
    """Of single fields for all models."""

    @model_validator(mode="after")
    def _check_kind(self):
        simulated, measured = self.parameters is not None, {"folder", "recording"} <= self.model_fields_set
        if simulated == measured:
            raise self.wrong("", "either parameters or folder and recording", sorted(self.model_fields_set))
        return self


class Parameters(Study):
    """Models of responses to images, bar codes, and experiments in silico."""

    SECTION: ClassVar[str] = "digital_twin"

    simulated: VisualCortexExperiment
    """Of all simulated datasets."""
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    """Responses to images."""
    bar_codes: StudyOptions
    """Alignment and clusters."""
    optimal_stimuli: OptimalStimuliParameters
    """Of neurons and clusters."""
    experiments: ExperimentParameters
    """In silico."""
    meis: MeiStudyParameters
    """Most exciting images."""
    properties: PropertyParameters
    """Tests of tuning properties."""
    gabor_selection: SelectionParameters
    """For the second scan."""
    gabor_scan: GaborScan
    """The second scan."""
    scan_agreement: AgreementParameters
    """Of its size tuning with the model's."""

    @model_validator(mode="after")
    def _check_simulated(self):
        overlays = {
            name: dataset.parameters for name, dataset in self.datasets.items() if dataset.parameters is not None
        }
        self.check_overlays(VisualCortexExperiment, self.simulated.given(), overlays)
        return self
