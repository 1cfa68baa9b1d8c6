"""The table of the papers' claims beside our numbers."""
