"""Study `avae` (Abante et al. 2025): autoencoders of single neurons' traces."""
