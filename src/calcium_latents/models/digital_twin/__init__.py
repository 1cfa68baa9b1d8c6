"""A digital twin of primary visual cortex: a rotation-equivariant core shared by all neurons, a readout for each.

Ustyuzhaninov et al., Methods; the architecture is that of Ecker et al. 2019.
"""
