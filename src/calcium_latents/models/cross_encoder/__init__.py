"""The neural cross-encoder and what it is trained on."""
