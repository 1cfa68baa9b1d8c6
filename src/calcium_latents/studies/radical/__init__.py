"""Study `radical` (Zhu et al. 2022): Lorenz latents seen through two-photon imaging."""
