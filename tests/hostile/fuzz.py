"""The readers of replies under Atheris, which looks for bytes that lead to code not run before: `make fuzz`.

    python -m tests.hostile.fuzz READER [SECONDS]

Not a part of the suite: `test_fuzz.py` feeds the same readers for some seconds, this one for as long as one likes. The
first byte of what Atheris makes up tells how long the pieces are. An input that breaks a reader is left in `crash-…`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hybridpress"], enable_loader_override=False):
    from tests.hostile.readers import READERS

MOST_BYTES = 2000


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in READERS:
        sys.exit(f"which reader? One of: {', '.join(READERS)}")
    read, seeds = READERS[name]

    def one(data: bytes) -> None:
        read(data[1:], [data[0]] if data[:1] > b"\0" else [])

    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds):
            Path(folder, str(number)).write_bytes(b"\0" + seed)
            Path(folder, f"{number}-in-pieces").write_bytes(b"\7" + seed)
        limits = [f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}", "-timeout=5", "-rss_limit_mb=2000"]
        atheris.Setup([sys.argv[0], folder, *limits], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
