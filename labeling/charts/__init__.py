"""Figures as data, from which templates draw them."""
