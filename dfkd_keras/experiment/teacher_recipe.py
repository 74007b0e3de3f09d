"""Where a task's teacher comes from: a file, a function, or a recipe whose result is cached."""

import dataclasses
import hashlib
import json
import logging
import math
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import keras
from keras import layers, ops

from dfkd_keras.backend.distribution import all_reduce_min, replicas
from dfkd_keras.backend.seed import seed_initial_weights
from dfkd_keras.data import ImageDataset
from dfkd_keras.data.segmentation_augmentation import ShiftFlipSequence
from dfkd_keras.images import Normalization, Space
from dfkd_keras.metrics import IGNORED, validation_metrics
from dfkd_keras.models.saved_model import saved_model
from dfkd_keras.optimizers import set_total_updates
from dfkd_keras.teacher.teacher import Teacher, check_outputs
from dfkd_keras.utils.checks import check_counts, check_seed
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import atomic_write

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class TeacherRecipe:
    """Trains a teacher on the task's training split, once per configuration.

    Args:
        model: makes the untrained network, unit images to logits.
        data: the data set.
        optimizer: makes the Keras optimizer.
        batch_size: images per update.
        epochs: passes over the training split.
        augment: whether images, and their masks, are shifted by up to an eighth of their size and mirrored.
        seed: of the initial weights and the order of the images.
        train_images: trains on the first so many images; None for all.
        cache_dir: where trained teachers are kept, each under its configuration's hash.
        trained: whether to train at all; False gives the network untrained, enough for timing.
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
        check_counts("TeacherRecipe", batch_size=self.batch_size, epochs=self.epochs)
        check_seed("TeacherRecipe", self.seed)

    def teacher_model(self, verbose: int = 2) -> keras.Model:
        """Returns the trained network, from the cache if it is there.

        Raises:
            ValueError: if it would have to be trained under a strategy of several devices.
        """
        seed_initial_weights(self.seed)
        model, optimizer = self.model(), self.optimizer()
        if not self.trained:
            return model
        path = Path(self.cache_dir) / f"{self.data.name}-{model.name}-{self._digest(model, optimizer)}.keras"
        if path.exists():
            logger.info("teacher: %s", path)
            return saved_model(path)
        if replicas() > 1:
            raise InvalidInputError(
                f"there is no teacher in {self.cache_dir} yet, and a recipe trains one on one device: run "
                "scripts/train_teacher.py first, or train it outside the strategy's scope."
            )
        logger.info("no teacher in %s yet: training %s on %s", self.cache_dir, model.name, self.data.name)
        self._train(model, optimizer, verbose)
        check_outputs(model, self.data.image_shape)
        with atomic_write(path) as aside:
            model.save(aside)
        return model

    def _train(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, verbose: int) -> None:
        images, labels = self.data.load("train")
        augmentation = [layers.RandomTranslation(0.125, 0.125, "constant", "nearest"), layers.RandomFlip("horizontal")]
        moved = self.augment and self.data.masks
        preprocessing = [layers.Rescaling(1.0 / 255.0), *(augmentation if self.augment and not moved else [])]
        images, labels = images[: self.train_images], labels[: self.train_images]
        set_total_updates(optimizer, self.epochs * math.ceil(len(images) / self.batch_size))
        training = keras.Sequential([layers.Input(model.input_shape[1:], dtype="uint8"), *preprocessing, model])
        ignored = IGNORED if self.data.masks else None
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored)
        training.compile(optimizer, loss, metrics=validation_metrics(self.data.num_classes, self.data.masks))
        if moved:
            training.fit(
                ShiftFlipSequence(images, labels, self.batch_size, self.seed), epochs=self.epochs, verbose=verbose
            )
        else:
            training.fit(images, labels, batch_size=self.batch_size, epochs=self.epochs, verbose=verbose)

    def _digest(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> str:
        # Keras appends counters to names within a process: they must not tell one model from the next.
        parts = [model.to_json(), json.dumps(keras.saving.serialize_keras_object(optimizer), default=str)]
        settings = {
            "parts": [re.sub(r"_\d+\b", "", part) for part in parts],
            "data": [self.data.name, self.data.image_shape, self.data.source],
            "settings": [self.batch_size, self.epochs, self.augment, self.seed, self.train_images],
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def build_teacher(
    path: str | None = None,
    model: Callable[[], keras.Model] | None = None,
    recipe: Callable[[], TeacherRecipe] | None = None,
    normalization: Normalization | None = None,
    input_space: Space = "unit",
    outputs: Literal["logits", "probabilities"] = "logits",
    features: tuple[str, ...] = ("penultimate",),
    image_shape: tuple[int, int, int] | None = None,
    safe_mode: bool = True,
) -> Teacher:
    """Returns the teacher of a file; without one, what a function makes; or else of a recipe. In gin: `Teacher`.

    Args:
        path: a saved network, see `saved_model`.
        model: makes the trained network.
        recipe: makes the recipe.
        normalization: as in `dfkd_keras.Teacher`.
        input_space: likewise.
        outputs: likewise.
        features: likewise.
        image_shape: likewise.
        safe_mode: as in `saved_model`.

    Raises:
        ValueError: without path, model and recipe, or if the file is no network.
        FileNotFoundError: if there is no such file.
    """
    if path is None and model is None and recipe is None:
        raise InvalidInputError(
            "the task names no teacher: set Teacher.path to a .keras file, Teacher.model or Teacher.recipe."
        )
    if path:
        network = saved_model(path, safe_mode)
    else:
        network = model() if model else recipe().teacher_model()
    return Teacher(network, normalization, input_space, outputs, features, image_shape)


def check_same_everywhere(teacher: Teacher) -> None:
    """Raises ValueError if workers that train together have teachers of different weights."""
    checksum = 0
    for variable in teacher.model.variables:
        checksum = zlib.crc32(ops.convert_to_numpy(variable.value).tobytes(), checksum)
    checksum //= 2  # for 31 bits
    if all_reduce_min(checksum) != -all_reduce_min(-checksum):
        raise InvalidInputError(
            f"the workers have different teachers {teacher.model.name!r}: train one by scripts/train_teacher.py, copy "
            "its file to all of them, and give it as Teacher.path."
        )
