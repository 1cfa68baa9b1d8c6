"""Names of the LFADS family's validation metrics, for whoever chooses one; what they are: see `validation`."""

#: metric -> what it hides from the encoder
HIDDEN = {"speckled_holdout_nll": "samples", "speckled_holdout_event_nll": "samples"}
HIDDEN |= {"cosmoothing_nll": "neurons", "cosmoothing_event_nll": "neurons"}
REDUCED_RANK = "reduced_rank_nll"
METRICS = ("reconstruction_nll", *HIDDEN, REDUCED_RANK)
