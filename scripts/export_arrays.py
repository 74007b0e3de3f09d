"""Writes of a task what a machine without TensorFlow needs: teacher, test images and a gin file that names both.

`python scripts/export_arrays.py --gin_file=rdskd.gin --gin_file=tasks/mnist_lenet5.gin --out_dir=arrays`
"""

from pathlib import Path

from absl import flags
from commandline import configured_experiment, main

from dfkd_keras.data import write_arrays
from dfkd_keras.utils.files import atomic_write

FLAGS = flags.FLAGS
flags.DEFINE_string("out_dir", None, "Folder to write to.", required=True)

GIN = """# Given after the task's file, takes teacher and test images from here; the paths are from the working folder.
data = @array_dataset()
array_dataset.path = {data!r}
Teacher.path = {teacher!r}
"""


def export_arrays() -> None:
    """Writes teacher.keras, test.npz and arrays.gin."""
    experiment, folder = configured_experiment(), Path(FLAGS.out_dir)
    task, teacher = experiment.task, experiment.teacher()
    data, network = folder / "test.npz", folder / "teacher.keras"
    write_arrays(task.data, data)
    with atomic_write(network) as aside:
        teacher.model.save(aside)
    with atomic_write(folder / "arrays.gin") as aside:
        aside.write_text(GIN.format(data=str(data), teacher=str(network)))
    print(f"add --gin_file={folder / 'arrays.gin'} to the command")


if __name__ == "__main__":
    main(export_arrays)
