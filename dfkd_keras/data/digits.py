"""The embedded data set of classification: 1,797 real handwritten digits that come with scikit-learn."""

import numpy as np

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName, resize
from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.optional_imports import require_package

TEST_IMAGES = 360


def digits(size: int = 32) -> ImageDataset:
    """Returns scikit-learn's handwritten digits, upsampled from 8x8, in a fixed stratified split.

    Args:
        size: Integer. Height and width of the images, in pixels. Defaults to 32.

    Returns:
        `ImageDataset` of 1,437 training and 360 test images with one channel, in 10 classes.

    Raises:
        InvalidInputError: If `size` is below 1.
        MissingDependencyError: When a split is loaded, if scikit-learn is not installed.

    Reference:
        The test set of "Optical Recognition of Handwritten Digits", Alpaydin and Kaynak, UCI, 1998.

    Example:
        >>> train = dk.data.digits().load("train")
        >>> train.images.shape, train.labels.shape
        ((1437, 32, 32, 1), (1437,))
    """
    check_counts("digits", size=size)

    def load(name: SplitName) -> Split:
        images, labels = require_package("sklearn.datasets", "scikit-learn").load_digits(return_X_y=True)
        images = np.rint(images.reshape(-1, 8, 8, 1) * (255.0 / 16.0)).astype(np.uint8)
        selection = require_package("sklearn.model_selection", "scikit-learn")
        train_images, test_images, train_labels, test_labels = selection.train_test_split(
            images, labels.astype(np.int32), test_size=TEST_IMAGES, stratify=labels, random_state=0
        )
        images, labels = (train_images, train_labels) if name == "train" else (test_images, test_labels)
        return Split(resize(images, (size, size)), labels)

    return ImageDataset("digits", (size, size, 1), tuple(str(digit) for digit in range(10)), load)
