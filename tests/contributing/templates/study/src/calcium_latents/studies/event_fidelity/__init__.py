"""Study `event_fidelity`: how well deconvolved events follow spikes as the fluorescence gets noisier."""
