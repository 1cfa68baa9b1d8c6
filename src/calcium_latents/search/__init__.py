"""Search over hyperparameters with a population of models: at random, or by population-based training."""
