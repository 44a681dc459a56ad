"""The CPU tier: prepare() and verify() in processes of their own, in batches, ahead of the pace and after it.

`batch` is what goes back and forth, `process` the CPU worker, `link` a load worker's end to one CPU worker, `tier` all
that a load worker has of them: the stock of words that are ready, and the replies that wait to be verified.
"""
