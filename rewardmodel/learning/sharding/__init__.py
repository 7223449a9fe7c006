"""Weights that learn, cut among the processes of a training, and put together again."""
