"""A whole two-photon session, from latents to the files that a user has."""
