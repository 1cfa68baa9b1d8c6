"""Commands that the workflow's rules call: parse, load, call, save."""
