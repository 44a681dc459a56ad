"""Conducts a run: starts the workers, tells them the pace, merges what they report."""
