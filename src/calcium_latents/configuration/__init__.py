"""The workflow's configuration: a scale under the user's choices, checked against the declarations of its sections."""

from calcium_latents.configuration.files import merge, read_yaml
from calcium_latents.configuration.loading import find_recording, load_configuration, named_files, read_scale

__all__ = ["find_recording", "load_configuration", "merge", "named_files", "read_scale", "read_yaml"]
