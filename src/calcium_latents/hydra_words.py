"""Words of Hydra's command line, FIELD=VALUE."""

import re


def quoted(text: str) -> str:
    """Return `text` as a VALUE that Hydra and OmegaConf take as it stands, whatever its characters.

    An ordinary path stays as it is, so that commands can be read.
    """
    if re.fullmatch(r"[A-Za-z_/][\w./-]*/[\w./-]*", text, re.ASCII):
        return text
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)  # OmegaConf would look up what stands in ${}
    text = re.sub(r"(\\*)('|$)", lambda match: 2 * match[1] + match[2].replace("'", r"\'"), text)
    return f"'{text}'"
