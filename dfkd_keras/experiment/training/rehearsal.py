"""What a run does after its training, tried before it: whatever would fail then is told at once."""

from dfkd_keras.compatibility import check_plan
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import temporary_path
from dfkd_keras.utils.optional_imports import require_package

LONGEST_CAUSE = 300  # characters


def rehearse(distiller: DataFreeDistiller, run: RunDirectory) -> None:
    """Checks the plan of the training, and tries to save the student and to write to the run's folders.

    It changes nothing, and takes about as long as saving the student. An export is not tried, which may take longer and
    without which a run ends too.

    Args:
        distiller: `DataFreeDistiller`, compiled.
        run: `RunDirectory`, locked.

    Raises:
        InvalidInputError: If the schedule cannot be trained, or the student cannot be saved.
        StorageError: If a file cannot be written.
        MissingDependencyError: If the package that draws the plots is not installed.
    """
    schedule = distiller.schedule
    check_plan(distiller, schedule.epochs, schedule.steps_per_epoch, initial_epoch=0, initial_step=0)
    require_package("matplotlib.figure", "matplotlib")
    with run.translate_write_errors():
        for folder in (run.metrics.parent, run.images, run.checkpoints.path, run.exports):
            if folder.exists():  # of an earlier call; a new one is made when it is needed
                with temporary_path(folder / "trial") as aside:
                    aside.touch()
        _save(distiller, run)


def _save(distiller: DataFreeDistiller, run: RunDirectory) -> None:
    student = distiller.student
    with temporary_path(run.student) as aside:
        try:
            distiller.teacher.in_place(student).save(aside)
        except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            raise InvalidInputError(
                f"student {student.name!r} cannot be saved ({single_line(error)[:LONGEST_CAUSE]}): give each class of "
                "its layers a get_config that returns the constructor's arguments."
            ) from error
