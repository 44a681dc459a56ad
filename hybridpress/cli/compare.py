"""`hybridpress compare`: what changed from one result to another, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Collection

import click

from hybridpress.errors import EXIT_THRESHOLD, UsageError


@click.command()
@click.argument("files", metavar="BEFORE.json AFTER.json…", type=click.Path(), nargs=-1, required=True)
@click.option("--fail-on", multiple=True, metavar="CHANGE", help="Exit with 99 at such a change or more; repeat it.")
@click.option("--force", is_flag=True, help="Compare also what is not comparable: other loads, invalid runs.")
@click.option("--html", metavar="FILE", type=click.Path(), help="Write a page with the curves over one another.")
@click.pass_context
def compare(
    ctx: click.Context, /, files: tuple[str, ...], fail_on: tuple[str, ...], force: bool, html: str | None
) -> None:
    """Compare results that `--json` wrote: the second, third… with the first.

    \b
    hybridpress compare before.json after.json --fail-on 'p99 +10%' --fail-on 'p50(GET /) +2ms' --html changes.html

    Each figure comes with the 95 % interval of its change. Limits: "p99 +10%", "mean(GET /) +2ms", "qps -5%",
    "failed +0.5%" (percentage points); what lies within the noise breaks none.

    Exit codes: 0 compared, 2 a file cannot be used, or they cannot be compared, 99 a limit of --fail-on is broken.
    """  # noqa: D301 (\b is click's mark for a paragraph that is not to be filled)
    from hybridpress.metrics.comparable import obstacles
    from hybridpress.metrics.compare import compare as compared
    from hybridpress.metrics.limits import Limit, judge, parse_limit
    from hybridpress.metrics.result import Result
    from hybridpress.report.comparison import comparison_text, sentence
    from hybridpress.report.safe import visible

    mistakes: list[str] = []
    limits: list[Limit] = []
    results: dict[str, Result] = {}
    if len(files) < 2:
        mistakes.append(f"there must be two results or more to compare, got {len(files)}")
    for text in fail_on:
        try:
            limits.append(parse_limit(text))
        except UsageError as error:
            mistakes += [f"--fail-on {mistake}" for mistake in error.mistakes]
    for file in files:
        try:
            results[_label(file, results)] = Result.load(file)
        except UsageError as error:
            mistakes += error.mistakes
    if mistakes:
        raise UsageError(mistakes)
    (first, before), *others = results.items()
    if not force:
        for label, after in others:
            mistakes += [f"{first} and {label}: {obstacle}" for obstacle in obstacles(before, after)]
        if mistakes:
            raise UsageError([visible(mistake) for mistake in mistakes] + ["--force compares all the same"])
    findings = []
    is_kept = True
    for number, (label, after) in enumerate(others):
        comparison = compared(before, after)
        judged = [judge(limit, comparison) for limit in limits]
        is_kept &= all(each.is_kept for each in judged)
        findings.append(sentence(comparison) if len(others) == 1 else f"{label}: {sentence(comparison)}")
        click.echo("\n" * (number > 0) + comparison_text((first, label), comparison, judged), nl=False)
    if html is not None:
        from hybridpress.report.files import write_whole
        from hybridpress.report.page.compare import comparison_page

        write_whole(comparison_page(results, findings), html, "the comparison")
    ctx.exit(0 if is_kept else EXIT_THRESHOLD)


def _label(file: str, taken: Collection[str]) -> str:
    """What a result is called: its file, and if that is there already, its number too."""
    return file if file not in taken else f"{file} ({len(taken) + 1})"
