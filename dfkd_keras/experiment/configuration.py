"""Gin: the names that a configuration can use, and where gin files are found."""

import difflib
import inspect
import logging
from collections.abc import Sequence
from pathlib import Path

import gin
import keras

from dfkd_keras import augmentation, data, losses, models, objectives, optimizers, replay, schedules, synthesis
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.experiment import Experiment
from dfkd_keras.experiment.gin_bindings import macro_names, remember_given
from dfkd_keras.experiment.gin_files import configuration_folders, find, imported, included, read, with_included
from dfkd_keras.experiment.slim_student import slim_student
from dfkd_keras.experiment.student_file import student_file
from dfkd_keras.experiment.task import Task
from dfkd_keras.experiment.teacher_recipe import TeacherRecipe, build_teacher
from dfkd_keras.experiment.training.early_stopping import AgreementEarlyStopping
from dfkd_keras.images import Normalization
from dfkd_keras.models.loading.saved_model import saved_model
from dfkd_keras.utils.checks import shown, single_line
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError
from dfkd_keras.utils.text import did_you_mean

LONGEST_CAUSE = 300  # characters
ROOMS = (augmentation, data, losses, models, objectives, optimizers, replay, schedules, synthesis)
PARTS = [
    AgreementEarlyStopping,
    Experiment,
    Normalization,
    DataFreeDistiller,
    Task,
    TeacherRecipe,
    saved_model,
    slim_student,
    student_file,
]
KERAS_PARTS = {
    "keras.callbacks": [
        part
        for part in vars(keras.callbacks).values()
        if inspect.isclass(part) and issubclass(part, keras.callbacks.Callback)
    ],
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

# gin.register, not gin.configurable: the classes stay what they are, so that Keras saves and reloads them and a direct
# call ignores gin.
for _part in [*PARTS, *(getattr(room, name) for room in ROOMS for name in room.__all__)]:
    gin.register(_part, module="dfkd_keras")
gin.register("Teacher", module="dfkd_keras")(build_teacher)
for _module, _parts in KERAS_PARTS.items():
    for _part in _parts:
        gin.external_configurable(_part, module=_module)


def configure(gin_files: Sequence[str], gin_params: Sequence[str] = (), composed: str = "") -> None:
    """Reads gin files and then bindings; a later binding overrides an earlier one.

    Args:
        gin_files: Sequence of strings. Paths, or names in gin_configs/ such as "rdskd.gin" or
            "tasks/mnist_lenet5.gin".
        gin_params: Sequence of strings. Bindings such as "SoftTargets.temperature = 4.0". Defaults to none.
        composed: String. Bindings, one per line, that come between both. They are not the user's, so that they may be
            without effect. Defaults to none.

    Raises:
        NotFoundError: If a file does not exist.
        InvalidInputError: If a file or binding names something unknown or cannot be parsed.
    """
    folders = configuration_folders()
    gin.clear_config()
    for folder in folders:
        gin.add_config_file_search_path(str(folder))
    for name in gin_files:
        if find(name, folders) is None:
            raise NotFoundError(f"gin file {name!r} does not exist; {_hint(str(name), available(folders))}")
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # gin logs an error for every folder that lacks an included file
    try:
        texts = _texts(gin_files, gin_params, folders)  # told of here, what gin would fail at without a name
        gin.parse_config_files_and_bindings(list(gin_files), [], finalize_config=False)
        gin.parse_config(composed)
        for binding in gin_params:
            check_macro(binding)
        gin.parse_config(list(gin_params))
        gin.finalize()
        remember_given(gin_files, gin_params, folders)
    except InvalidInputError:
        raise
    except SystemExit as error:
        modules = [module for source, text in texts.items() for module in imported(text, source)]
        raise InvalidInputError(
            f"a module that the configuration imports ({', '.join(modules)}) ends the program: import none that does "
            "more than define things."
        ) from error
    except (AttributeError, ImportError, KeyError, OSError, SyntaxError, TypeError, ValueError) as error:
        cause = single_line(error).split(" in config string: ")[0]  # after which gin repeats all of it
        raise InvalidInputError(f"the configuration cannot be read: {cause[:LONGEST_CAUSE]}") from error
    finally:
        logging.disable(disabled)


def _texts(gin_files: Sequence[str], gin_params: Sequence[str], folders: Sequence[Path]) -> dict[str, str]:
    """Returns the texts of files and bindings by their sources; raises `InvalidInputError` if one cannot be read."""
    params = {f"--gin_param {shown(binding)}": binding for binding in gin_params}
    names = [*gin_files, *(name for source, text in params.items() for name in included(text, source))]
    paths = [path for name in names for path in with_included(name, folders)]
    return {str(path): read(path) for path in paths} | params


def _hint(name: str, known: Sequence[str]) -> str:
    """Returns which files a misspelled name may mean, or all that there are; the common ending says nothing."""
    similar = difflib.get_close_matches(name.removesuffix(".gin"), [each.removesuffix(".gin") for each in known])
    return did_you_mean([f"{each}.gin" for each in similar], f"there are: {', '.join(known)}.")


def check_macro(binding: str) -> None:
    """Raises `InvalidInputError` if a binding sets a macro that no file defines, which gin would silently accept."""
    name = binding.split("=")[0].strip()
    if not all(part.isidentifier() for part in name.split("/")):
        return
    try:
        gin.query_parameter(f"%{name}")
    except ValueError as error:
        similar = difflib.get_close_matches(name, macro_names())
        remedy = f"did you mean {', '.join(similar)}?" if similar else "check its spelling."
        raise InvalidInputError(f"{name!r} in {binding!r} is not a macro of the given files: {remedy}") from error


def available(folders: Sequence[Path]) -> list[str]:
    """Returns the names of the gin files that come with the package, sorted, with their folders.

    Args:
        folders: Sequence of `Path`s, as `configuration_folders` returns them.
    """
    names: dict[Path, str] = {}
    for folder in folders[1:]:
        for path in folder.rglob("*.gin"):
            names.setdefault(path, str(path.relative_to(folder)))  # the outer folder comes first
    return sorted(set(names.values()))
