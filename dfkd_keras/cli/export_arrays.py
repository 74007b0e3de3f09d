"""Writes teacher, test images and a gin file that names both, for a machine without TensorFlow.

dfkd export-arrays --gin_file=rdskd.gin --gin_file=tasks/mnist_lenet5.gin --out_dir=arrays
"""

from pathlib import Path

from absl import flags

from dfkd_keras.cli import configuration
from dfkd_keras.cli.configuration import configured_experiment
from dfkd_keras.data import write_arrays
from dfkd_keras.utils.files import atomic_write, translate_write_errors

FLAGS = flags.FLAGS
flags.DEFINE_string("out_dir", None, "Folder to write to.", required=True)
flags.adopt_module_key_flags(configuration)

GIN = """# Give this file after the task's. Paths are relative to the working folder.
data = @array_dataset()
array_dataset.path = {data!r}
Teacher.path = {teacher!r}
"""


def run() -> None:
    """Writes teacher.keras, test.npz and arrays.gin."""
    experiment, folder = configured_experiment(), Path(FLAGS.out_dir)
    experiment.task.require_data("dfkd export-arrays")
    task, teacher = experiment.task, experiment.teacher()
    data, network = folder / "test.npz", folder / "teacher.keras"
    with translate_write_errors(folder):
        write_arrays(task.data, data)
        with atomic_write(network) as aside:
            teacher.model.save(aside)
        with atomic_write(folder / "arrays.gin") as aside:
            aside.write_text(GIN.format(data=str(data), teacher=str(network)), encoding="utf-8")
    print(f"add --gin_file={folder / 'arrays.gin'} to the command")
