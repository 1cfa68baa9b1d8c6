"""Training: objectives to optimisers, one entry point for every model."""
