"""Study `cross_encoder`: the solvable network, and the neural cross-encoder against reduced-rank regression."""
