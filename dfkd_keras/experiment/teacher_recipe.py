"""The teacher of a task: from a file, from a function, or trained by a recipe whose result is cached."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
from keras import layers

from dfkd_keras.backend.distribution import all_reduce_min, replicas
from dfkd_keras.backend.seed import seed_initial_weights
from dfkd_keras.data import ImageDataset
from dfkd_keras.data.segmentation_augmentation import ShiftFlipSequence
from dfkd_keras.experiment.identity import describe, weights_checksum
from dfkd_keras.images import ChannelOrder, InputRange, Normalization
from dfkd_keras.metrics import IGNORED, validation_metrics
from dfkd_keras.models.loading.saved_model import saved_model
from dfkd_keras.optimizers.rates import set_total_updates
from dfkd_keras.teacher.loading import load_teacher
from dfkd_keras.teacher.model_checks import check_outputs
from dfkd_keras.teacher.outputs import Outputs
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_counts, check_factories, check_flags, check_kinds, check_seed, given
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import atomic_write, temporary_path, translate_write_errors
from dfkd_keras.utils.text import file_name

logger = logging.getLogger(__name__)

_untrained_recipes: list[list["TeacherRecipe"]] = []  # one list per context of `without_teacher_training`


@contextlib.contextmanager
def without_teacher_training() -> Iterator[list["TeacherRecipe"]]:
    """Context manager in which a recipe returns its untrained network instead of training one.

    Yields:
        List of the recipes whose teacher is not in the cache, filled as they are asked for it.
    """
    _untrained_recipes.append([])
    try:
        yield _untrained_recipes[-1]
    finally:
        _untrained_recipes.pop()


@dataclasses.dataclass(frozen=True)
class TeacherRecipe:
    """Trains a teacher on the task's training split, once per configuration.

    Args:
        model: Callable without arguments. Returns the untrained network, unit images to logits.
        data: `ImageDataset`. The data to train on.
        optimizer: Callable without arguments. Returns the Keras optimizer.
        batch_size: Integer. Images per update. Defaults to 128.
        epochs: Integer. Passes over the training split. Defaults to 10.
        augment: Boolean. Whether to shift images (and their masks) by up to an eighth of their size and to flip them.
            Defaults to False.
        seed: Integer. Seed of the initial weights and of the order of the images. Defaults to 0.
        train_images: Integer. Trains on the first images of the split only. Defaults to None, all.
        cache_dir: String. Folder of the trained teachers, each under the hash of its configuration. Defaults to
            "runs/teachers".
        trained: Boolean. If False, `teacher_model` returns the untrained network, which is enough for timing. Defaults
            to True.

    Raises:
        InvalidInputError: If a count is below 1, if the seed is invalid, or if an argument is of another kind.
    """

    model: Callable[[], keras.Model]
    data: ImageDataset
    optimizer: Callable[[], keras.optimizers.Optimizer]
    batch_size: int = 128
    epochs: int = 10
    augment: bool = False
    seed: int = 0
    train_images: int | None = None
    cache_dir: str = "runs/teachers"
    trained: bool = True

    def __post_init__(self):
        check_factories("TeacherRecipe", model=self.model, optimizer=self.optimizer)
        check_kinds("TeacherRecipe", ImageDataset, data=self.data)
        check_kinds("TeacherRecipe", str, cache_dir=self.cache_dir)
        check_flags("TeacherRecipe", augment=self.augment, trained=self.trained)
        counts = {"batch_size": self.batch_size, "epochs": self.epochs, **given(train_images=self.train_images)}
        check_counts("TeacherRecipe", **counts)
        check_seed("TeacherRecipe", self.seed)

    def teacher_model(self, verbose: int = 2) -> keras.Model:
        """Returns the trained network, from the cache if it is there.

        Args:
            verbose: Integer, as in `keras.Model.fit`. Defaults to 2, one line per epoch.

        Raises:
            InvalidInputError: If it would have to be trained under a strategy of several devices, or does not fit the
                data.
            StorageError: If the trained network cannot be written to the cache, which is tried before it is trained.
        """
        seed_initial_weights(self.seed)
        model, optimizer = self.model(), self.optimizer()
        if not self.trained:
            return model
        path = Path(self.cache_dir) / f"{file_name(self.data.name)}-{model.name}-{self._digest(model, optimizer)}.keras"
        if path.exists():
            logger.info("teacher: %s", path)
            return saved_model(path)
        if _untrained_recipes:
            _untrained_recipes[-1].append(self)
            return model
        if replicas() > 1:
            raise InvalidInputError(
                f"there is no teacher in {self.cache_dir} yet, and a recipe trains on one device: run dfkd "
                "train-teacher first, or train it outside the strategy's scope."
            )
        self._check(model)
        self._save(model, path, trial=True)
        logger.info("no teacher in %s yet: training %s on %s", self.cache_dir, model.name, self.data.name)
        self._train(model, optimizer, verbose)
        check_outputs(model, self.data.image_shape)
        self._save(model, path)
        return model

    def _check(self, model: keras.Model) -> None:
        """Checks that the network can be trained on the data."""
        classes = check_outputs(model, self.data.image_shape)[-1]
        if classes != self.data.num_classes:
            raise InvalidInputError(
                f"TeacherRecipe.model {model.name!r} has {classes} outputs, but data set {self.data.name!r} "
                f"{self.data.num_classes} classes: build it with num_classes={self.data.num_classes}."
            )
        if not model.trainable_variables:
            raise InvalidInputError(
                f"TeacherRecipe.model {model.name!r} has no trainable weights: set trainable = True on its layers."
            )

    def _save(self, model: keras.Model, path: Path, trial: bool = False) -> None:
        """Saves a network in the cache; in a trial, only makes sure that it could be."""
        remedy = "make room or grant access, or set another TeacherRecipe.cache_dir"
        with translate_write_errors(path, remedy=remedy), (temporary_path if trial else atomic_write)(path) as aside:
            model.save(aside)

    def _train(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, verbose: int) -> None:
        images, labels = self.data.load("train")
        images, labels = images[: self.train_images], labels[: self.train_images]
        augments_masks = self.augment and self.data.masks
        preprocessing = [layers.Rescaling(1.0 / 255.0)]
        if self.augment and not augments_masks:
            preprocessing += [layers.RandomTranslation(0.125, 0.125, "constant", "nearest")]
            preprocessing += [layers.RandomFlip("horizontal")]
        set_total_updates(optimizer, self.epochs * math.ceil(len(images) / self.batch_size))
        training = keras.Sequential([layers.Input(model.input_shape[1:], dtype="uint8"), *preprocessing, model])
        ignored = IGNORED if self.data.masks else None
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored)
        training.compile(optimizer, loss, metrics=validation_metrics(self.data.num_classes, self.data.masks))
        if augments_masks:
            batches = ShiftFlipSequence(images, labels, self.batch_size, self.seed)
            training.fit(batches, epochs=self.epochs, verbose=verbose)
        else:
            training.fit(images, labels, batch_size=self.batch_size, epochs=self.epochs, verbose=verbose)

    def _digest(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> str:
        # Keras appends counters to names within a process: they must not distinguish one model from the next.
        parts = [model.to_json(), json.dumps(keras.saving.serialize_keras_object(optimizer), default=str)]
        settings = {
            "parts": [re.sub(r"_\d+\b", "", part) for part in parts],
            "data": [self.data.name, self.data.image_shape, self.data.source],
            "settings": describe([self.batch_size, self.epochs, self.augment, self.seed, self.train_images]),
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def build_teacher(
    path: str | None = None,
    model: Callable[[], keras.Model] | None = None,
    recipe: Callable[[], TeacherRecipe] | None = None,
    normalization: Normalization | None = None,
    input_range: InputRange = "0..1",
    channel_order: ChannelOrder | None = None,
    outputs: Outputs = "logits",
    features: tuple[str, ...] = ("penultimate",),
    image_shape: tuple[int, int, int] | None = None,
    safe_mode: bool = True,
    weights: str | None = None,
    output: str | None = None,
    custom_objects: str | None = None,
) -> Teacher:
    """Returns the teacher from a file, or from a function, or from a recipe, in this order. In gin: `Teacher`.

    Args:
        path: String. Path of a trained network, in any form that `load_teacher` reads. Defaults to None.
        model: Callable without arguments. Returns the trained network. Defaults to None.
        recipe: Callable without arguments. Returns the `TeacherRecipe`. Defaults to None.
        normalization: `Normalization`, as in `dfkd_keras.Teacher`.
        input_range: String, as in `dfkd_keras.Teacher`.
        channel_order: String, as in `dfkd_keras.Teacher`.
        outputs: String, as in `dfkd_keras.Teacher`.
        features: Tuple of strings, as in `dfkd_keras.Teacher`.
        image_shape: Tuple of three integers, as in `dfkd_keras.Teacher`.
        safe_mode: Boolean. Whether to refuse a file that contains code, as in `load_teacher`. Defaults to True.
        weights: String, as in `load_teacher`.
        output: String, as in `load_teacher`.
        custom_objects: String, as in `load_teacher`.

    Raises:
        InvalidInputError: If there is no path, model or recipe, if one is of another kind, or if the file holds no
            network.
        NotFoundError: If the file does not exist.
    """
    check_kinds("Teacher", (str, Path), **given(path=path))
    check_factories("Teacher", **given(model=model, recipe=recipe))
    check_flags("Teacher", safe_mode=safe_mode)
    if path is None and model is None and recipe is None:
        raise InvalidInputError(
            "the task names no teacher: set Teacher.path to a .keras file, Teacher.model or Teacher.recipe."
        )
    if path:
        network = load_teacher(path, safe_mode, weights, output, custom_objects, image_shape)
    else:
        network = model() if model else recipe().teacher_model()
    return Teacher(network, normalization, input_range, channel_order, outputs, features, image_shape)


def check_same_on_all_workers(teacher: Teacher) -> None:
    """Raises `InvalidInputError` if workers that train together have teachers with different weights."""
    checksum = int(weights_checksum(teacher.model)[:7], 16)  # 28 bits, which an int32 holds
    if all_reduce_min(checksum) != -all_reduce_min(-checksum):
        raise InvalidInputError(
            f"the workers have different teachers {teacher.model.name!r}: train one by dfkd train-teacher, copy its "
            "file to all of them, and give it as Teacher.path."
        )
