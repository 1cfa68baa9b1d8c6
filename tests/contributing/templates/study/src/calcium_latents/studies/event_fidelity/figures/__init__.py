"""Figures of this study, a module each."""
