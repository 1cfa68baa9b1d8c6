"""Linear latents of populations with missing samples: principal components, factor analysis, Gaussian processes, and
neurons from their neighbours.

All take activity [time, neuron] that is scaled per neuron, and weights [time, neuron] from 0 (missing) to 1 (all of a
bin's samples known): the noise of a bin of weight w has 1/w of the variance of a whole bin's.
"""
