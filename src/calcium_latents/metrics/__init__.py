"""Scores that studies share: latent recovery, held-out scores, explained variance, clustering, spike inference."""
