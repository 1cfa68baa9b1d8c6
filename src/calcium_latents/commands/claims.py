"""Put each claim of the papers beside our number: one table over the studies that are run."""

from pathlib import Path

from calcium_latents.commands.cli import command, run_command


@command(
    input={"action": "append", "default": [], "metavar": "STUDY.TABLE=PATH"},
    study={"action": "append", "default": [], "help": "whose claims to show; may come again; default: all"},
    scale={"default": "", "help": "named in the page's title"},
    output="table (.csv)",
    page="the same to read (.html)",
)
def main(options) -> None:
    """Write the table as CSV and as an HTML page; rows of inputs with the same name are joined."""
    import pandas as pd

    from calcium_latents.claims.table import claim_modules, claims_table, to_html
    from calcium_latents.errors import UserError
    from calcium_latents.figures import parse_inputs
    from calcium_latents.files import atomic_path, read_table, write_table
    from calcium_latents.planning.studies import with_claims

    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for name, paths in parse_inputs(options.input).items():
        study, dot, table = name.partition(".")
        if not dot:
            raise UserError(f"--input: expected STUDY.TABLE=PATH, found {name!r}.")
        parts = [read_table(path) for path in paths]
        for part, path in zip(parts, paths, strict=True):
            if "dataset" not in part:  # a table of one data set, whose folder has its name
                part.insert(0, "dataset", Path(path).parent.name)
        tables.setdefault(study, {})[table] = pd.concat(parts, ignore_index=True)
    claims = claims_table(tables, claim_modules(options.study or with_claims()))
    write_table(claims, options.output)
    with atomic_path(Path(options.page)) as temporary:
        temporary.write_text(to_html(claims, options.scale), encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
