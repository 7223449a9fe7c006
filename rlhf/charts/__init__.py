"""What the pages of runs draw: which metrics make a curve, and the charts beyond curves."""
