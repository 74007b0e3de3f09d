"""The training of a run: its loop, and the callbacks that record, save and stop it."""
