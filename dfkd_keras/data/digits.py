"""The embedded data set: 1,797 real handwritten digits that come with scikit-learn."""

import numpy as np

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName, resize

TEST_IMAGES = 360


def digits(size: int = 32) -> ImageDataset:
    """Returns scikit-learn's handwritten digits, up-sampled from 8x8, in a fixed stratified split.

    The images are from the test set of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998, UCI).

    Args:
        size: height and width of the images, in pixels.

    Returns:
        A data set of 1,437 training and 360 test images of one channel, in 10 classes.
    """

    def load(name: SplitName) -> Split:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        images, labels = load_digits(return_X_y=True)
        images = np.rint(images.reshape(-1, 8, 8, 1) * (255.0 / 16.0)).astype(np.uint8)
        train_images, test_images, train_labels, test_labels = train_test_split(
            images, labels.astype(np.int32), test_size=TEST_IMAGES, stratify=labels, random_state=0
        )
        if name == "train":
            return Split(resize(train_images, (size, size)), train_labels)
        return Split(resize(test_images, (size, size)), test_labels)

    return ImageDataset("digits", (size, size, 1), tuple(str(digit) for digit in range(10)), load)
