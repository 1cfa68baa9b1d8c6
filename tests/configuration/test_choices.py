"""Choices that light declarations repeat are those of the modules that carry them out."""

from typing import get_args

from calcium_latents.configuration.sections import Deconvolution
from calcium_latents.deconvolution.interface import METHODS
from calcium_latents.models.digital_twin.parameters import DigitalTwinOptions
from calcium_latents.models.digital_twin.precision import PRECISIONS
from calcium_latents.models.lfads.family import OBSERVATIONS
from calcium_latents.models.lfads.parameters import LFADSModel
from calcium_latents.models.traces.parameters import Split
from calcium_latents.recordings.embedding import SPLITS
from calcium_latents.recordings.readers.images import image_arrays, image_nwb, image_responses
from calcium_latents.simulation.culture.culture_parameters import CultureSet, NeuronType
from calcium_latents.simulation.culture.gcamp6s import NONLINEARITIES
from calcium_latents.simulation.culture.izhikevich import NEURON_TYPES, STEP_MS
from calcium_latents.simulation.visual_cortex.natural_images import SOURCES
from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import VisualCortexExperiment
from calcium_latents.studies.digital_twin.bar_codes.bar_code_parameters import StudyOptions
from calcium_latents.studies.digital_twin.bar_codes.bar_code_study import ALIGNMENTS, METRICS
from calcium_latents.studies.digital_twin.image_recording_parameters import ImageRecording, ImageSource
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import Precision


def choices(section, field):
    return set(get_args(section.model_fields[field].annotation))


def test_choices_are_those_of_the_modules():
    assert set(get_args(NeuronType)) == set(NEURON_TYPES) and STEP_MS == 1
    assert choices(CultureSet, "nonlinearity") == set(NONLINEARITIES)
    assert choices(VisualCortexExperiment, "image_source") == set(SOURCES)
    assert choices(StudyOptions, "method") == set(ALIGNMENTS) and choices(StudyOptions, "metric") == set(METRICS)
    assert set(get_args(Precision)) == set(PRECISIONS)
    assert choices(Deconvolution, "method") == set(METHODS)
    assert choices(DigitalTwinOptions, "precision") == set(PRECISIONS)
    assert choices(LFADSModel, "observation") == set(OBSERVATIONS) and set(get_args(Split)) == set(SPLITS)


def test_entries_of_responses_to_images_have_the_fields_that_their_readers_know():
    arrays = [image_arrays.array_fields(entry) for entry in ({"test_images": ""}, {})]
    known = {*image_responses.COMMON, *image_nwb.FIELDS, *(name for fields in arrays for name in fields)}
    assert set(ImageRecording.model_fields) == known
    assert set(ImageSource.model_fields) == set(image_arrays.SOURCE_FIELDS)
