"""Readers of a user's traces, one format a module.

Each has `recognises(path) -> bool`, whether a file or folder is of its format (no two say so of the same; `arrays` is
what remains), and `read(path, entry) -> Traces`, which takes what it needs of the entry of config/recordings.yaml.
A new one is a module here, its test, and its name in `calcium_latents.recording_formats.reader`.
"""
