"""Our autoencoder of single-neuron traces, which generalises to other cultures."""
