"""Intervals, partitions and contrasts between them."""
