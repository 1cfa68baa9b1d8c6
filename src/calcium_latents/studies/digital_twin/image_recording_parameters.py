"""How a user's recording of responses to images is read: `datasets.NAME.recording` of the study `digital_twin`.

`recordings.readers.images.image_responses` says more, and checks what the files themselves say.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from calcium_latents.parameter_section import (
    DIFFERENT,
    LEFT_OUT,
    Between,
    Count,
    Flag,
    NotNegativeWhole,
    Number,
    Numeric,
    ParameterSection,
    Rule,
    Text,
)

Window = Annotated[tuple[Number, Number], Rule("[from, to]", lambda window: window[0] < window[1])]
APART = ("training_images", "training_responses", "test_images", "test_responses")
TOGETHER = ("images", "responses", "image_of_trial")


class ImageSource(ParameterSection):
    """An array in a file."""

    SECTION: ClassVar[str] = "recording"

    file: Text
    """A .npy, .npz, HDF5, .mat or (of `image_of_trial`) .csv file, relative to the folder."""
    key: Text = LEFT_OUT
    """Name of the array, needed except for .npy."""
    axes: Text = LEFT_OUT
    """Names of its axes in their order, such as "repeat image neuron". Flattened axes stand in brackets, the slowest
    first: "image (y x)" holds one row of pixels an image."""
    sizes: dict[str, Count] = LEFT_OUT
    """Lengths of flattened axes; one of them may be left out."""
    column: Text = LEFT_OUT
    """Of a table."""


Source = Text | ImageSource


class ImageRecording(ParameterSection):
    """Responses to images; arrays with training and test images apart, or with a table that says which image a trial
    showed, or an NWB file."""

    SECTION: ClassVar[str] = "recording"

    format: Literal["arrays", "nwb"] = LEFT_OUT
    """Default: nwb for a file that ends in .nwb, else arrays."""
    image_shape: tuple[Count, Count] | None = None
    """[height, width] in px to which images are averaged down; null: as in the file."""
    validation_share: Between = LEFT_OUT
    """Share of the images that are not test images that become validation images (0.1)."""
    negatives_to_zero: Flag = LEFT_OUT
    """Set responses below 0 to 0 (true)."""
    scale_responses: Flag = LEFT_OUT
    """Divide each neuron's responses by their standard deviation over training images (false: models do so)."""
    neurons: Annotated[tuple[NotNegativeWhole, ...], Field(min_length=1), DIFFERENT] | Literal["all", "usable"] = (
        LEFT_OUT
    )
    """all (default), usable (leave out neurons that never vary, are 0 throughout, or miss presentations that others
    have), or a list of numbers of columns, counted through all animals."""
    trials_averaged: Count = LEFT_OUT
    """Presentations of which the file holds the average (1)."""
    image_source: Text = LEFT_OUT
    """Where the images come from, in words; default: the name of the file."""
    training_images: Source = LEFT_OUT
    """Axes image, y, x and, if in colour, colour."""
    training_responses: Source | tuple[Source, ...] = LEFT_OUT
    """Axes image, neuron and, for single trials, repeat; or a list, one an animal."""
    test_images: Source = LEFT_OUT
    """As `training_images`."""
    test_responses: Source | tuple[Source, ...] = LEFT_OUT
    """As `training_responses`."""
    images: Source = LEFT_OUT
    """All images; of an NWB file the name of what holds them."""
    responses: Source = LEFT_OUT
    """Axes trial and neuron."""
    image_of_trial: Source = LEFT_OUT
    """The number of the image that each trial showed."""
    first_image: NotNegativeWhole = LEFT_OUT
    """Number of the first image, 0 (default) or 1; numbers below it are blank screens."""
    test: Literal["repeated"] | Between | tuple[NotNegativeWhole, ...] = LEFT_OUT
    """What the test images are: repeated (default; those shown at least `minimum_repeats` times), a share of those,
    drawn with the seed, or a list of image numbers from 0 on."""
    minimum_repeats: Annotated[int, Numeric(whole=True), Field(ge=2)] = LEFT_OUT
    """Of test images (2)."""
    file: Text = LEFT_OUT
    """The NWB file, relative to the folder."""
    key: Text = LEFT_OUT
    """A RoiResponseSeries of activity, with its containers where its name is not enough, or units for spike times."""
    orientation: Literal["neurons x frames"] = LEFT_OUT
    """Where the series' data lie so, against the standard."""
    response_window_s: Window = LEFT_OUT
    """[from, to] after the onset, s ([0.05, 0.35])."""
    baseline_window_s: Window | None = None
    """[from, to] relative to the onset, of which the mean is taken off; null: none."""
    presentations: Text = LEFT_OUT
    """Name of an IndexSeries, of a table of intervals, or of an ImageSeries with one frame a presentation."""
    image_column: Text = LEFT_OUT
    """Of the table, the column with the number or the name of the image."""
    blanks: tuple[Number | Text, ...] = LEFT_OUT
    """Values of the column that are no image."""
    image_axes: Literal["y x", "x y"] = LEFT_OUT
    """y x (default; as most files are) or x y (as the standard's text has it)."""

    @model_validator(mode="after")
    def _check_complete(self):
        given = self.model_fields_set
        if self.format == "nwb" or (self.format is None and str(self.file or "").endswith(".nwb")):
            wanted = ("file",)
        else:
            wanted = APART if given & {*APART} else TOGETHER
        if missing := [name for name in wanted if name not in given]:
            raise self.wrong("", f"the field(s) {', '.join(missing)}, too", f"only {', '.join(sorted(given))}")
        return self

    @property
    def files(self) -> list[str]:
        """Files that it names, relative to the folder."""
        named = [self.file]
        for name in (*APART, *TOGETHER):
            value = getattr(self, name)
            if self.file is None and value is not None:
                named += [
                    one.file if isinstance(one, ImageSource) else one
                    for one in (value if isinstance(value, tuple) else (value,))
                ]
        return [name for name in named if name is not None]
