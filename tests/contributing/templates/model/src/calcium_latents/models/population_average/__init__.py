"""Every neuron follows the population's average, at its own mean rate: the simplest model of shared activity."""
