"""The formats of a user's recordings by name, for the configuration: nothing heavy is imported."""

from pathlib import Path

#: The format of a file that no reader recognises.
FALLBACK = "arrays"
FORMATS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("recordings/readers/formats/[!_]*.py")))
