"""Learns what people prefer: pure torch and transformers, also a command-line program."""
