"""Numbers in random orders, each once in a pass, without holding them.

An order of few numbers is made by sorting hashes of them. One of many is a Feistel network: a number is split in two,
and each half in turn is changed by a hash of the other, which can be undone and hence meets every number once. All is
worked out for some hundred places at a time, of whichever passes, with numpy: 0.2 µs each (`bench/test_vocab.py`).
"""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
_Bits = npt.NDArray[np.uint64]

_SORTED_UP_TO = 64
"""Sorting gives every order the same chance, but is done for all numbers of a pass even where one is asked for."""
_N_ROUNDS = 6
"""Four make a network that looks random to who sees some of it; here all of it is seen."""


class Shuffle:
    """The numbers from 0 to *n* − 1, pass after pass, each time in another order. *key* alone decides the orders."""

    def __init__(self, n: int, key: str) -> None:
        self._n = n
        rng = random.Random(key)
        self._key, *self._round_keys = (np.uint64(rng.getrandbits(64)) for _ in range(1 + _N_ROUNDS))
        self._low_bits = np.uint64((n - 1).bit_length() // 2)
        self._n_low = np.uint64(1 << int(self._low_bits))
        self._n_high = np.uint64(-(-n // int(self._n_low)))  # not a power of two: that is up to twice as many numbers

    def at(self, places: Numbers) -> Numbers:
        """The numbers that stand at *places*, which count on from one pass to the next."""
        passes, inside = np.divmod(places, self._n)
        return self._sorted(passes, inside) if self._n <= _SORTED_UP_TO else self._mixed(passes, inside)

    def _sorted(self, passes: Numbers, inside: Numbers) -> Numbers:
        rows, row_of = np.unique(passes, return_inverse=True)
        each = rows[:, None] * self._n + np.arange(self._n)
        found: Numbers = _hash(each.astype(np.uint64), self._key).argsort(axis=1, kind="stable")[row_of, inside]
        return found

    def _mixed(self, passes: Numbers, inside: Numbers) -> Numbers:
        salts = _hash(passes.astype(np.uint64), self._key)
        numbers = self._through(inside.astype(np.uint64), salts)
        # Of the last high half not all numbers are there: what falls behind the last one goes through again.
        while len(outside := np.flatnonzero(numbers >= self._n)):
            numbers[outside] = self._through(numbers[outside], salts[outside])
        return numbers.astype(np.int64)

    def _through(self, numbers: _Bits, salts: _Bits) -> _Bits:
        high, low = numbers >> self._low_bits, numbers & (self._n_low - np.uint64(1))
        for number, key in enumerate(self._round_keys):
            if number % 2:
                low ^= _below(_hash(high + salts, key), self._n_low)
            else:
                high += _below(_hash(low + salts, key), self._n_high)
                high -= self._n_high * (high >= self._n_high)
        return (high << self._low_bits) | low


def _hash(numbers: _Bits, key: np.uint64) -> _Bits:
    """SplitMix64's finalizer, https://prng.di.unimi.it/splitmix64.c; products wrap around, as they should."""
    mixed = numbers + key
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _below(hashes: _Bits, n: np.uint64) -> _Bits:
    """Numbers from 0 to n − 1 made of *hashes*, in their place; *n* is 2³² at most."""
    hashes >>= np.uint64(32)
    hashes *= n
    hashes >>= np.uint64(32)
    return hashes
