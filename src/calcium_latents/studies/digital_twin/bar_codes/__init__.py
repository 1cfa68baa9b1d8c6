"""Bar codes of neurons: alignment and clusters."""
