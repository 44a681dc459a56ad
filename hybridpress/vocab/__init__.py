"""Word tables: the parameters of iterations, where they come from, and how they are drawn."""

from __future__ import annotations

from hybridpress.vocab.policy import Policy
from hybridpress.vocab.sources import access_log, csv, jsonl, lines, repeat, rows, sql
from hybridpress.vocab.word import Vocab

__all__ = ["Policy", "Vocab", "access_log", "csv", "jsonl", "lines", "repeat", "rows", "sql"]
