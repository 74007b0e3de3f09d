"""The report of a run, the images drawn during training, and comparisons of runs."""
