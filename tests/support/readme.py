"""The part of README.md that is made from the code: the table of options of `hybridpress run`.

`python -m tests.support.readme` writes it anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from hybridpress.config import knobs

README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"(?<=<!-- options: written by `make readme` -->\n).*?(?=<!-- end of options -->)", re.DOTALL)


def options_table() -> str:
    """Every knob of a run: its flag, its default, its help."""
    lines = ["| option | default | means |", "|---|---|---|"]
    for knob in knobs().values():
        flag = f"{knob.flag} {knob.metavar}".strip()
        lines.append(f"| `{flag}` | {knob.default_text or '–'} | {knob.help} |".replace("\n", " "))
    return "\n".join(lines) + "\n"


def options_in(text: str) -> str:
    """The table as it stands in *text* now."""
    found = _BLOCK.search(text)
    assert found is not None, "README.md has lost the marks around its table of options"
    return found[0]


def main() -> None:
    """Write the table into README.md."""
    text = README.read_text()
    options_in(text)
    README.write_text(_BLOCK.sub(lambda _: options_table(), text))


if __name__ == "__main__":
    main()
