"""The whole command against real servers."""
