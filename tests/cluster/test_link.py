"""Messages come out whole, in order, once, whatever becomes of the calls that carry them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridpress.cluster.link import BATCH_BYTES, PIECE_BYTES, Inbox, Outbox, Piece


@given(st.lists(st.integers(1, 200_000), max_size=8), st.data())
def test_whatever_is_lost(sizes: list[int], data: st.DataObject) -> None:
    """Calls are lost there or on the way back, come twice, or are overtaken."""
    outbox, inbox = Outbox(), Inbox()
    messages = [bytes([k % 256]) * size for k, size in enumerate(sizes)]
    heard: list[bytes] = []
    under_way: list[list[Piece]] = []
    for message in messages:
        outbox.put(message)
        match data.draw(st.sampled_from(["arrives", "lost", "late", "twice", "unconfirmed"])):
            case "arrives":
                heard += inbox.take(outbox.batch())
                outbox.confirmed(inbox.heard)
            case "lost":
                outbox.batch()
                outbox.again()
            case "late":
                under_way.append(outbox.batch())
            case "twice":
                pieces = outbox.batch()
                heard += inbox.take(pieces)
                heard += inbox.take(pieces)
            case "unconfirmed":
                heard += inbox.take(outbox.batch())
                outbox.again()
    for pieces in reversed(under_way):
        heard += inbox.take(pieces)
    outbox.confirmed(inbox.heard)
    outbox.again()
    while pieces := outbox.batch():
        assert sum(len(piece.data) for piece in pieces) <= max(BATCH_BYTES, PIECE_BYTES)
        heard += inbox.take(pieces)
    outbox.confirmed(inbox.heard)
    assert heard == messages
    assert outbox.is_empty
    assert not outbox.has_news


def test_what_was_sent_is_not_sent_again() -> None:
    """Two calls at a time carry different pieces."""
    outbox = Outbox()
    outbox.put(b"one")
    first = outbox.batch()
    outbox.put(b"two")
    assert [piece.data for piece in first + outbox.batch()] == [b"one", b"two"]
    assert outbox.batch() == []
