"""Templates are copied into a repository before they are run."""

collect_ignore = ["templates"]
