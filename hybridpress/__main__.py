"""`python -m hybridpress` is the command `hybridpress`."""

from __future__ import annotations

from hybridpress.cli import main

if __name__ == "__main__":
    main()
