"""Study `spike_ground_truth`: deconvolved events beside real spikes."""
