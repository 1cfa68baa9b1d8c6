"""Cultures of Izhikevich neurons under GCaMP6s."""
