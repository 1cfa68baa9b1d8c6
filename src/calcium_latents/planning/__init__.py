"""What the workflow knows before anything runs: studies, datasets, models, files. Imports nothing that is slow."""
