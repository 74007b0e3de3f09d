"""The training of a run: the loop, and the callbacks that record, save and stop it."""
