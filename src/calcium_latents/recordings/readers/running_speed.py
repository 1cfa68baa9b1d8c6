"""Running speed in one unit, whatever that of the file."""

import re
from dataclasses import replace

from calcium_latents.recordings.behaviour import SPEED
from calcium_latents.recordings.readers.traces import Behaviour

CM_PER_S = "cm/s"
LENGTHS_CM = {"m": 100.0, "meter": 100.0, "metre": 100.0, "cm": 1.0, "centimeter": 1.0, "centimetre": 1.0, "mm": 0.1}
LENGTHS_CM |= {"millimeter": 0.1, "millimetre": 0.1, "inch": 2.54, "in": 2.54}
UNIT = re.compile(r"([a-z]+?)s?\s*(?:/|per|\s|\*|\.)\s*s(?:ec(?:ond)?s?)?(?:\^?-1)?")


def in_cm_s(name: str, signal: Behaviour) -> Behaviour:
    """Return running speed in cm/s where its unit is a length per second, and any other signal as it is."""
    found = UNIT.fullmatch(signal.units.strip().lower()) if name == SPEED else None
    scale = LENGTHS_CM.get(found[1]) if found else None
    return signal if scale is None else replace(signal, values=scale * signal.values, units=CM_PER_S)
