"""What models of single-neuron traces share: bins, augmentation, partitions, inference of latents."""
