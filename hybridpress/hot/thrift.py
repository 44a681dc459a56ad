"""Where a message of Thrift's binary protocol ends: compiled where the rest of the hot path is, else in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridpress.hot import IS_COMPILED
from hybridpress.hot.thrift_pure import ENDS_EARLY, UNLAWFUL, struct_end

if not TYPE_CHECKING and IS_COMPILED:
    try:
        from hybridpress.hot.thrift_compiled import struct_end
    except ImportError:  # it was built before there was such a part
        pass

__all__ = ["ENDS_EARLY", "UNLAWFUL", "struct_end"]
