"""How close to its location an event's density is evaluated, for every implementation of it alike."""

#: An event nearer to the location than this fraction of the location counts as this far from it: the density of
#: a gamma shape below one is unbounded there.
RELATIVE_GAP = 1e-4
