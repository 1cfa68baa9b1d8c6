"""The autoencoder of single-neuron traces as published (Abante et al. 2025)."""
