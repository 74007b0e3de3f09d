"""What a run shows: plots, its report, and comparisons of several runs."""
