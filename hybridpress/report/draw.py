"""Lines for a terminal, drawn by hand: spans of text in colours, cut to a width in cells; bars and sparklines.

Not by rich, whose tables are laid out anew each time: a frame with 40 rows took it 20 ms, four times a second 8 % of a
core; drawn like this it takes 0.2 % (bench/test_terminal.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"
Span = tuple[str, str]
"""Text and its style: the numbers of its escape sequence, or ""."""
Spans = Sequence[Span]

_BLOCKS = "▁▂▃▄▅▆▇█"


def cells(text: str) -> int:
    """How many cells of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def fitted(text: str, width: int) -> str:
    """*text* in exactly *width* cells: cut with an ellipsis, or with spaces after it."""
    n_cells = cells(text)
    if n_cells <= width:
        return text + " " * (width - n_cells)
    if width <= 0:
        return ""
    if text.isascii():
        return text[: width - 1] + "…"
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1) + "…"


def drawn(spans: Spans, width: int) -> str:
    """One line with its colours, at most *width* cells."""
    pieces = []
    for text, style in spans:
        shown = text if cells(text) <= width else fitted(text, width)
        if shown:
            pieces.append(f"\x1b[{style}m{shown}\x1b[0m" if style else shown)
        width -= cells(shown)
    return "".join(pieces)


def apart(left: Spans, right: Spans, width: int) -> list[Span]:
    """*left* at the left end of the line and *right* at the right one; where both do not fit, the left one is cut."""
    n_right = sum(cells(text) for text, _ in right)
    room = max(width - n_right - 1, 0)
    kept: list[Span] = []
    for text, style in left:
        kept.append((text if cells(text) <= room else fitted(text, room), style))
        room -= cells(kept[-1][0])
    return [*kept, (" " * (room + 1), ""), *right]


def bar(share: float, width: int) -> list[Span]:
    """How much of something is done."""
    n_half = round(2 * width * min(max(share, 0.0), 1.0))
    done = "━" * (n_half // 2) + ("╸" if n_half % 2 else "")
    return [(done, CYAN), ("━" * (width - len(done)), DIM)]


def spark(values: Sequence[float | None], width: int, top: float) -> str:
    """The last *width* of *values* as blocks, the newest at the right; *top* is a whole block. None is a gap."""
    shown = values[-width:] if width > 0 else []
    n_blocks = len(_BLOCKS)
    return "".join(
        " " if value is None else _BLOCKS[min(max(math.ceil(n_blocks * value / (top or 1.0)), 1), n_blocks) - 1]
        for value in shown
    )
