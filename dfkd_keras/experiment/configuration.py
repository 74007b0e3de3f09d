"""Gin: what can be named in a configuration, and where configurations are found."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import gin
import keras
from absl import logging

import dfkd_keras
from dfkd_keras import augmentation, data, losses, models, objectives, optimizers, replay, schedules, synthesis
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.experiment import Experiment
from dfkd_keras.experiment.task import Task
from dfkd_keras.experiment.teacher_recipe import TeacherRecipe, build_teacher
from dfkd_keras.experiment.training.early_stopping import AgreementEarlyStopping
from dfkd_keras.images import Normalization
from dfkd_keras.models.saved_model import saved_model
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError

ROOMS = (augmentation, data, losses, models, objectives, optimizers, replay, schedules, synthesis)
PARTS = [AgreementEarlyStopping, Experiment, Normalization, DataFreeDistiller, Task, TeacherRecipe, saved_model]
KERAS_PARTS = {
    "keras.distillation": [keras.distillation.FeatureDistillation, keras.distillation.LogitsDistillation],
    "keras.losses": [keras.losses.KLDivergence],
    "keras.optimizers": [
        keras.optimizers.Adam,
        keras.optimizers.AdamW,
        keras.optimizers.RMSprop,
        keras.optimizers.SGD,
    ],
    "keras.optimizers.schedules": [
        keras.optimizers.schedules.CosineDecay,
        keras.optimizers.schedules.ExponentialDecay,
        keras.optimizers.schedules.PiecewiseConstantDecay,
        keras.optimizers.schedules.PolynomialDecay,
    ],
}

# gin.register, not gin.configurable: the classes stay what they are, so that Keras saves and reloads them, and a
# direct call ignores gin.
for _part in [*PARTS, *(getattr(room, name) for room in ROOMS for name in room.__all__)]:
    gin.register(_part, module="dfkd_keras")
gin.register("Teacher", module="dfkd_keras")(build_teacher)
for _module, _parts in KERAS_PARTS.items():
    for _part in _parts:
        gin.external_configurable(_part, module=_module)


def configuration_folders() -> list[Path]:
    """Returns where gin files are looked for: the working folder, a checkout's gin_configs/, the installed ones."""
    checkout = Path(dfkd_keras.__file__).parent.parent / "gin_configs"
    installed = Path(str(resources.files("dfkd_keras"))) / "gin_configs"
    return [Path(), *(folder for folder in (checkout, installed) if folder.is_dir())]


def configure(gin_files: Sequence[str], gin_params: Sequence[str] = ()) -> None:
    """Reads gin files and bindings, in this order; the last word counts.

    Args:
        gin_files: paths, or names within gin_configs/ such as "rdskd.gin" or "tasks/mnist_lenet5.gin".
        gin_params: bindings such as "SoftTargets.temperature = 4.0".

    Raises:
        FileNotFoundError: if a file is nowhere to be found.
        ValueError: if a file or binding names something unknown or cannot be parsed.
    """
    folders = configuration_folders()
    gin.clear_config()
    for folder in folders:
        gin.add_config_file_search_path(str(folder))
    for name in gin_files:
        if not any((folder / name).is_file() for folder in folders):
            raise NotFoundError(f"gin file {name!r} does not exist; there are: {', '.join(available(folders))}.")
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)  # gin reports as an error every folder that an include is not in
    try:
        gin.parse_config_files_and_bindings(list(gin_files), [], finalize_config=False)
        for binding in gin_params:
            check_macro(binding)
        gin.parse_config(list(gin_params))
        gin.finalize()
    except (AttributeError, ImportError, KeyError, OSError, SyntaxError, TypeError, ValueError) as error:
        raise InvalidInputError(f"the configuration cannot be read: {single_line(error)}") from error
    finally:
        logging.set_verbosity(verbosity)


def check_macro(binding: str) -> None:
    """Raises ValueError if a binding sets a macro that no file knows, which gin would take and ignore."""
    name = binding.split("=")[0].strip()
    if not name.isidentifier():
        return
    try:
        gin.query_parameter(f"%{name}")
    except ValueError as error:
        raise InvalidInputError(
            f"{name!r} in {binding!r} is no macro of the given files: check its spelling."
        ) from error


def available(folders: Sequence[Path]) -> list[str]:
    """Returns the names of the gin files that come with the package."""
    return sorted({str(path.relative_to(folder)) for folder in folders[1:] for path in folder.rglob("*.gin")})
