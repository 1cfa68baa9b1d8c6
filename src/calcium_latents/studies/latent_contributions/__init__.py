"""Study `latent_contributions`: which neurons drive a latent, and when."""
