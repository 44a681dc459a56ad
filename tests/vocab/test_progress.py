"""What a worker writes, every process sees, and keeps when it dies."""

from __future__ import annotations

import os

from hybridpress.vocab.progress import Progress
from tests.vocab.forks import fork


def test_nothing_yet() -> None:
    """At first no word is drawn, and none in flight."""
    progress = Progress([2, 3])
    assert [progress.n_drawn(worker) for worker in (0, 1)] == [0, 0]
    assert [progress.places_in_flight(worker) for worker in (0, 1)] == [{}, {}]
    assert [progress.slots_of(worker) for worker in (0, 1)] == [range(2), range(2, 5)]


def test_each_worker_its_own() -> None:
    """What one writes is no other's."""
    progress = Progress([2, 0, 3])
    progress.count_of(2)[0] = 7
    progress.notes[4] = 7
    progress.count_of(0)[0] = 1
    assert [progress.n_drawn(worker) for worker in range(3)] == [1, 0, 7]
    assert [progress.places_in_flight(worker) for worker in range(3)] == [{}, {}, {4: 6}]


def test_what_was_only_noted_is_not_in_flight() -> None:
    """A word is in flight once it is noted and counted."""
    progress = Progress([2])
    progress.notes[0] = 1
    assert progress.places_in_flight(0) == {}
    progress.count_of(0)[0] = 1
    assert progress.places_in_flight(0) == {0: 0}


def test_outlives_the_process() -> None:
    """The parent reads what its child wrote, however that ended."""
    progress = Progress([1])
    if (pid := fork()) == 0:
        progress.notes[0] = 5
        progress.count_of(0)[0] = 5
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert progress.n_drawn(0) == 5
    assert progress.places_in_flight(0) == {0: 4}


def test_losses_are_kept_in_mind() -> None:
    """What was lost is each worker's own, adds up over its lives, and ends where there is no more room."""
    progress = Progress([1, 2])
    progress.lose(1, [4, 0])
    progress.lose(1, [7])
    progress.lose(0, range(100))
    assert progress.places_lost(1) == [4, 0, 7]
    assert progress.places_lost(0) == list(range(64))
    assert progress.notes.tolist() == [0, 0, 0]


def test_the_length_of_the_table() -> None:
    """Who builds the table tells all how long it is."""
    progress = Progress([1])
    assert progress.n_words == 0
    if (pid := fork()) == 0:
        progress.n_words = 10**10
        os._exit(0)
    os.waitpid(pid, 0)
    assert progress.n_words == 10**10
