"""Study `digital_twin` (Ustyuzhaninov et al.): responses to images, bar codes, experiments in silico."""
