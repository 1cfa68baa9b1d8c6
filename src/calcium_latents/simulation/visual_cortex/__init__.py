"""Neurons of V1 with known properties, and the images that they are shown."""
