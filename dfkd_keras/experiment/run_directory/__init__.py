"""The folder of one run: whose it is, its checkpoints and the history of its epochs."""

from dfkd_keras.experiment.run_directory.checkpoints import Checkpoint, CheckpointFolder
from dfkd_keras.experiment.run_directory.directory import GENERATED, RunDirectory
from dfkd_keras.experiment.run_directory.history import History, Row, read_history

__all__ = ["GENERATED", "Checkpoint", "CheckpointFolder", "History", "Row", "RunDirectory", "read_history"]
