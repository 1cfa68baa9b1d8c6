"""Worlds with known truth, a folder each; what several worlds share (indicator, laser scanning) stands here."""
