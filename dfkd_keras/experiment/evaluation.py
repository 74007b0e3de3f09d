"""What a student is evaluated on: labeled images, images without labels, or held-out procedural ones."""

import dataclasses
from typing import Literal

import numpy as np
from keras import ops

from dfkd_keras.data import Split
from dfkd_keras.experiment.task import Task
from dfkd_keras.metrics import evaluation_batch_size
from dfkd_keras.synthesis.procedural import held_out_images
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError

ESTIMATED_AGREEMENT = "estimated_agreement"
DRAWN_IMAGES = 8000
DRAWN_PIXELS = DRAWN_IMAGES * 64 * 64  # larger images are fewer
HELD_OUT_SEED = 20_261_129
CERTAIN_SHARE = 0.1  # of the images that are drawn
FEWEST_CERTAIN = 400  # images, as far as so many are drawn

Metric = Literal["accuracy", "mean_iou", "agreement", "estimated_agreement"]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The images that a student is evaluated on, and what its predictions are compared with.

    Args:
        split: `Split`. The images, and their labels or masks; the teacher's predictions where the truth is unknown.
        class_names: Tuple of strings, one per class.
        metric: String. "accuracy" or "mean_iou" by true labels; "agreement" with the teacher on real images;
            "estimated_agreement" with it on the procedural images that it is most certain of, where there are no real
            ones.
    """

    split: Split
    class_names: tuple[str, ...]
    metric: Metric

    @property
    def has_truth(self) -> bool:
        """Boolean. Whether the labels are true ones, not the teacher's predictions."""
        return self.metric in ("accuracy", "mean_iou")

    @property
    def described(self) -> str:
        """String. What the images are, in words."""
        return "held-out procedural images" if self.metric == ESTIMATED_AGREEMENT else "real test images"

    def renamed(self, scores: dict[str, float], prefix: str = "") -> dict[str, float]:
        """Returns scores under this evaluation's name: agreement, not accuracy, where labels are the teacher's.

        Args:
            scores: Dictionary of floats by the names of `metrics.scores`, each after the prefix; other names stay.
            prefix: String, such as "val_". Defaults to "".
        """
        if self.has_truth:
            return dict(scores)
        names = {f"{prefix}accuracy": f"{prefix}{self.metric}", f"{prefix}mean_iou": None}
        return {names.get(name, name): value for name, value in scores.items() if names.get(name, name)}


def evaluation(task: Task, teacher: Teacher, test: Split | None) -> Evaluation:
    """Returns what a task's student is evaluated on.

    Args:
        task: `Task`.
        teacher: `Teacher`. It labels images whose labels are not known.
        test: `Split`. The task's test images, as `Task.test_split` returns them; None if it has no data.
    """
    names = task.names_of_classes(teacher)
    if test is not None and test.labels is not None:
        return Evaluation(test, names, "mean_iou" if teacher.is_segmenter else "accuracy")
    images = _held_out(teacher) if test is None else test.images
    labels = teacher.predict_classes(Split(images, None).unit_images)
    labels = labels.astype(np.uint8) if teacher.is_segmenter else labels
    return Evaluation(Split(images, labels), names, ESTIMATED_AGREEMENT if test is None else "agreement")


def _held_out(teacher: Teacher) -> np.ndarray:
    """Returns procedural images that training never draws: of each class those that a classifier is most certain of.

    Most classifiers are far more certain of real images than of procedural ones, and on those of them that it is
    certain of, a student agrees with it about as often as on real images.
    """
    if None in teacher.image_shape:
        raise InvalidInputError(
            f"teacher {teacher.model.name!r} takes images of any size, {teacher.image_shape}: say in "
            "Teacher.image_shape on which size to evaluate."
        )
    height, width, _ = teacher.image_shape
    count = max(evaluation_batch_size(teacher.image_shape), min(DRAWN_IMAGES, DRAWN_PIXELS // (height * width)))
    images = held_out_images(teacher.image_shape, min(count, DRAWN_IMAGES), HELD_OUT_SEED)
    share = min(1.0, max(CERTAIN_SHARE, FEWEST_CERTAIN / len(images)))
    return images if teacher.is_segmenter else images[most_certain(_logits(teacher, images), share)]


def most_certain(logits: np.ndarray, share: float) -> np.ndarray:
    """Returns the positions of the images of each class whose highest logit is farthest above the next one.

    Args:
        logits: Float array `[N, K]`.
        share: Float in (0, 1]. Which part of the images of each class, at least one.

    Returns:
        Integer array, in ascending order.
    """
    runner_up, highest = np.partition(logits, (-2, -1), axis=-1)[:, -2:].T
    order, classes = np.argsort(runner_up - highest, kind="stable"), np.argmax(logits, axis=-1)
    by_class = [order[classes[order] == label] for label in np.unique(classes)]
    return np.sort(np.concatenate([found[: max(1, round(share * len(found)))] for found in by_class]))


def _logits(teacher: Teacher, images: np.ndarray) -> np.ndarray:
    """Returns a teacher's logits for uint8 images."""
    batch_size = evaluation_batch_size(teacher.image_shape)
    batches = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
    return np.concatenate([ops.convert_to_numpy(teacher(batch.astype("float32") / 255.0).logits) for batch in batches])
