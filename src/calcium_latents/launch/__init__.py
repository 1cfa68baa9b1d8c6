"""What `./run` does around Snakemake."""
