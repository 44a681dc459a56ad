"""`hybridpress init`: a scenario to start from."""

from __future__ import annotations

import keyword
from pathlib import Path

import click

from hybridpress.config import knobs_by_name
from hybridpress.errors import UsageError

TEMPLATE = '''"""Presses {host}. Try it with: hybridpress run {file} --once"""

from collections.abc import Iterator

from hybridpress import Press, check


class {name}(Press):
    host = "{host}"
    qps = 100
    concurrent = 10
    duration = "10s"

    def vocab(self) -> Iterator[dict[str, int]]:
        """The word table: the parameters of the requests. Called once, before the load."""
        for number in range(1000):
            yield {{"id": number}}

    async def press(self, word: dict[str, int]) -> None:
        """One iteration: one request, or a flow of several."""
        reply = await self.http.get("/", params=word, name="get by id")
        check(reply.status == 200, "status is 200")


if __name__ == "__main__":
    {name}().run()
'''


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--host", default="http://127.0.0.1:8080", show_default=True, metavar="URL", help="What to press.")
def init(name: str, host: str) -> None:
    """Write NAME.py, a scenario to start from. An existing file is left alone."""
    try:
        host = knobs_by_name()["host"].parse(host)
    except UsageError as error:
        raise UsageError(f"--host {error}") from None
    path = Path(name if name.endswith(".py") else f"{name}.py")
    if path.exists():
        raise UsageError(f'"{path}" exists already; choose another name, or remove it')
    if not path.absolute().parent.is_dir():
        raise UsageError(f'there is no directory "{path.absolute().parent}" to write "{path.name}" into')
    words = "".join(part.capitalize() for part in path.stem.replace("-", "_").split("_"))
    class_name = words if words.isidentifier() and not keyword.iskeyword(words) else "Scenario"
    path.write_text(TEMPLATE.format(name=class_name, host=host, file=path))
    click.echo(f"wrote {path}; try it: hybridpress run {path} --once")
