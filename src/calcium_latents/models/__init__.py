"""Models of latent structure: pure mathematics, no files, no loops over data."""
