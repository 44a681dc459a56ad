"""The tests: the same paths as the code, and end_to_end/ with real processes and real servers."""
