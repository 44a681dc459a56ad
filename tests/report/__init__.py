"""The outputs, read as text."""
