"""The questions people answer, and their answers."""
