"""Declarations of what studies share: config/config.yaml, recordings, models, deconvolution, resources."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from calcium_latents.configuration.files import merge
from calcium_latents.deconvolution.options import Options
from calcium_latents.parameter_section import (
    DIFFERENT,
    LEFT_OUT,
    NAME,
    Count,
    Fault,
    FieldsOf,
    Flag,
    NotNegative,
    NotNegativeWhole,
    Number,
    Numeric,
    ParameterSection,
    Positive,
    Seed,
    Text,
    WrongFieldsError,
)
from calcium_latents.recording_formats import FORMATS

#: Rules whose resources are those of another, and the name under which every figure's are granted.
GRANTED_AS = {"search_worker": "train", "simulate_population": "simulate"}
FIGURE_RULE = "figure"

Name = Annotated[Text, NAME]
Texts = tuple[Text, ...]
Coefficient = Annotated[float, Numeric(), Field(ge=0, le=2)]
Names = Annotated[Texts, Field(min_length=1), DIFFERENT]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), DIFFERENT]
BinWidth = Positive | None
Format = Literal[("auto", *FORMATS)]  # pyrefly: ignore[invalid-literal]  # known when imported


class Structure(ParameterSection):
    """A section of the workflow itself, whose defaults are filled in. A default of None is for what may be left out."""

    FILLED: ClassVar[bool] = True
    SECTION: ClassVar[str] = "configuration"


class Workflow(Structure):
    """What to run: config/config.yaml, or --config."""

    scale: Text
    """A folder of config/scale."""
    studies: Names
    """Studies to run; each has workflow/rules/NAME.smk, NAME.yaml in the scale paper, and a package of its own."""
    seed: Seed
    """Of everything random; every use of it derives a stream of its own."""
    recordings_file: Text | None = None
    """File that lists your own recordings."""
    data_directory: Text | None = None
    """Folder of real recordings; null: $CALCIUM_LATENTS_DATA, or ../shared/data where that exists."""

    @field_validator("studies", mode="before")
    @classmethod
    def _one(cls, studies: Any) -> Any:
        return (studies,) if isinstance(studies, str) else studies  # studies=radical


class Windows(ParameterSection):
    """How a continuous recording is cut."""

    length_s: Positive = 1.0
    """Of a window."""
    overlap_s: NotNegative = 0.2
    """That neighbouring windows share."""
    least: NotNegativeWhole = 0
    """Windows share more, up to 0.8 of their length, where there would be fewer than these."""

    @model_validator(mode="after")
    def _check_overlap(self):
        if self.overlap_s >= self.length_s and {"length_s", "overlap_s"} <= self.model_fields_set:
            raise self.wrong("overlap_s", f"less than length_s ({self.length_s:g})", self.overlap_s)
        return self


class Neuropil(ParameterSection):
    """Neuropil of a matrix of traces."""

    key: Text = LEFT_OUT
    """Name of its matrix."""
    coefficient: Coefficient = 0.7
    """Share of it that is taken off."""


class Trials(ParameterSection):
    """Trials of a recording."""

    starts_s: tuple[Number, ...] | Text
    """A list of times; or file, the table of trials in the recording's file; or a CSV file with a column start_s and,
    if wanted, stop_s (trials keep their own lengths), condition, before_s, after_s and others."""
    before_s: NotNegative = 0.0
    """Time before the start that belongs to a trial."""
    after_s: Positive = LEFT_OUT
    """Time after the start that belongs to a trial; wins over stop_s."""
    cut: Flag = True
    """false: models take windows of the whole session, and trials align figures and results alone."""


class RecordingEntry(Structure):
    """One of your recordings: an entry of config/recordings.yaml."""

    file: Text
    """Path, relative to the data directory or the repository, absolute, or below ~; a folder for suite2p and Minian's
    zarr."""
    optional: Flag = False
    """Leave the recording out where its file is missing."""
    studies: Annotated[Texts, DIFFERENT] = LEFT_OUT
    """Which take the recording by itself; default: all that take recordings; []: only the data sets that name it."""
    chunk_s: Positive = LEFT_OUT
    """Of the cross-encoder's split of spontaneous activity (10)."""
    buffer_s: NotNegative = LEFT_OUT
    """Gaps of that split (2)."""
    response_window_s: Positive = LEFT_OUT
    """The cross-encoder takes mean responses in this window after the onsets in `trials`, a CSV file with columns
    start_s and condition, each condition at least twice; without it, spontaneous activity."""
    format: Format = LEFT_OUT
    """By default it is told from the file (docs/formats.md). NETCAL's exports are known by their header "time (s)"
    (.csv) or the ending .txt; a .mat file of NETCAL's traces needs netcal."""
    key: Text = LEFT_OUT
    """Name of the matrix, or of the NWB series or of its planes' container, where the file has several."""
    sampling_rate_hz: Positive = LEFT_OUT
    """Imaging frames per second, where the file does not say."""
    orientation: Literal["neurons x frames", "frames x neurons"] = LEFT_OUT
    """Of arrays, of NETCAL's .mat files without times, and of NWB data that lie the other way than NWB's own, which are
    frames x neurons."""
    mask_axes: Literal["x y", "y x"] = LEFT_OUT
    """Of the ROIs' masks in an NWB file. Default: x y as NWB says, or y x where suite2p, NeuroConv or ndx-microscopy
    wrote them so."""
    is_dff: Flag = LEFT_OUT
    """Whether the traces are dF/F; else they are made so (neuropil, running baseline)."""
    neuropil: Neuropil | Coefficient | Flag = LEFT_OUT
    """Coefficient (default: that of suite2p's run, else 0.7; 0 or false: off); for arrays a mapping of `key` and
    `coefficient`."""
    neurons: Annotated[tuple[NotNegativeWhole, ...], Field(min_length=1), DIFFERENT] | Literal["all", "usable"] = (
        LEFT_OUT
    )
    """By default those that the file says are accepted; all (of NWB files, rejected ones, too), usable (leave out
    traces that cannot be analysed, and say which), or a list of numbers, in NWB files the ROIs' ids."""
    sample_offsets: Text = LEFT_OUT
    """none, from_positions, or a .npy file [neuron in file] in s after the start of the frame. Default: from_positions
    for suite2p, whose positions are known to be lines of the scan; for other NWB files whose planes have their own
    times, these; else none."""
    bin_width_s: BinWidth = None
    """Of the grid of time; null: one bin an imaging frame. Default: the scale's."""
    windows: Windows = LEFT_OUT
    """Default: the scale's."""
    trials: Trials | tuple[Number, ...] | Text | None = None
    """Replace windows: none, what starts_s takes, or fields."""
    behaviour: Text = LEFT_OUT
    """A CSV file with a column time_s and signals at any rate, units in the names of columns (running_speed_cm_s)."""
    deconvolution: Annotated[dict[str, object], FieldsOf(Options)] = LEFT_OUT
    """Options over those of the scale, for this recording alone."""


class RecordingsFile(Structure):
    """The file that lists your recordings."""

    recordings: dict[Name, RecordingEntry] | None
    """Recordings by name; the name becomes a folder of results."""


class Deconvolution(Structure):
    """From fluorescence to events."""

    method: Literal["oasis", "caiman"]
    """oasis: CaImAn's recipe, compiled here; caiman: CaImAn itself."""
    options: Options = Options()
    """Of the method."""


class Smoothing(ParameterSection):
    """A baseline: smoothed data."""

    variable: Literal["events", "fluorescence"]
    """What is smoothed."""
    sd_s: Positive
    """Width of the Gaussian."""


class Overrides(Structure):
    """What models are told beside their files."""

    overrides: Texts
    """Of single fields for all models, as Hydra writes them."""


class ModelChoice(Structure):
    """How a model is trained: files of Hydra's groups, and single fields over them."""

    data: Text
    """A file of config/data."""
    training: Text
    """A file of config/training."""
    search: Text
    """A file of config/search."""
    overrides: Texts = ()
    """Of single fields, as Hydra writes them."""
    datasets: Annotated[Texts, DIFFERENT] = LEFT_OUT
    """Default: all that are run."""
    seeds: Seeds = LEFT_OUT
    """Default: the study's."""
    scored: Flag = True
    """false: a variant for figures of convergence and selection alone."""


class Models(Structure):
    """Models of a study, and the seeds of their training."""

    TAKES_RECORDINGS: ClassVar[bool] = False  # whether the study takes entries of config/recordings.yaml

    models: dict[Name, ModelChoice]
    """Name of a file of config/model: how it is trained."""
    seeds: Seeds
    """Of training; the first one's results are shown where one is."""

    def require(self, field: str, names: Iterable[str], known: Iterable[str]) -> None:
        """Raise the error that names a `field` which names what is not there."""
        for name in names:
            if name not in known:
                raise self.wrong(field, f"names among {', '.join(known)}", name)


class Study(Models):
    """What the sections of studies with datasets of their own share. A subclass declares `datasets`."""

    run: Names
    """Datasets that are run."""

    @model_validator(mode="after")
    def _check_datasets(self):
        datasets = vars(self)["datasets"]
        self.require("run", self.run, datasets)
        for model, choice in self.models.items():
            self.require(f"models.{model}.datasets", choice.datasets or (), datasets)
        return self

    def check_overlays(
        self, kind: type[ParameterSection], base: Mapping[str, Any], overlays: Mapping[str, Any]
    ) -> None:
        """Check the `parameters` of each dataset as fields of `kind` over `base`."""
        faults = []
        for name, overlay in overlays.items():
            try:
                kind.from_mapping(merge(base, overlay))
            except WrongFieldsError as error:
                faults += [Fault(("datasets", name, "parameters", *path), text) for path, text in error.faults]
        if faults:
            raise WrongFieldsError(faults, self.SECTION)


Memory = Annotated[int, Numeric(whole=True), Field(ge=300)]


class RuleResources(ParameterSection):
    """What one rule asks of a machine; what is left out is that of `default`."""

    threads: Count = LEFT_OUT
    """CPU threads. Sums depend on their number: it stays the same, however few cores Snakemake is given."""
    mem_mb: Memory = LEFT_OUT
    """Memory, MB."""
    runtime: Count = LEFT_OUT
    """Run time, minutes."""
    gpu: NotNegativeWhole = LEFT_OUT
    """GPUs."""


class DefaultResources(ParameterSection):
    """What rules ask of a machine that are not named."""

    threads: Count
    """CPU threads. Sums depend on their number: it stays the same, however few cores Snakemake is given."""
    mem_mb: Memory
    """Memory, MB."""
    runtime: Count
    """Run time, minutes."""
    gpu: NotNegativeWhole
    """GPUs."""


class Resources(ParameterSection):
    """What the rules ask of a machine, by rule."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, RuleResources]  # pyrefly: ignore[bad-override]  # as pydantic has it

    default: DefaultResources
    """Of rules that are not named."""
