"""A user's responses to images: arrays or NWB."""
