"""Learns what labelers prefer."""
