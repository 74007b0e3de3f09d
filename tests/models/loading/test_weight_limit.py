import threading

import keras
import pytest
from keras import layers

from dfkd_keras.models.loading.weight_limit import FREE_WEIGHTS, weight_limit
from dfkd_keras.utils.errors import InvalidInputError


def dense(units):
    return keras.Sequential([layers.Input((4,)), layers.Dense(units, name="wide")])


def test_more_weights_than_a_file_can_hold_are_not_made():
    with weight_limit(1000):
        assert dense(250).count_params() == 1250
        with pytest.raises(InvalidInputError, match=r"shape \(4, 1000000000000\) for the layer 'wide'.*1,000 bytes"):
            dense(10**12)


def test_many_layers_count_together():
    width = int((FREE_WEIGHTS / 2) ** 0.5)
    with weight_limit(0), pytest.raises(InvalidInputError, match="declares weights"):
        keras.Sequential([layers.Input((width,)), *(layers.Dense(width, use_bias=False) for _ in range(3))])


def test_the_limit_is_that_of_its_block_and_thread():
    before = keras.layers.Layer.add_weight
    made = []
    with weight_limit(-FREE_WEIGHTS), weight_limit(0):
        thread = threading.Thread(target=lambda: made.append(dense(3).count_params()))
        thread.start()
        thread.join()
    assert made == [15] and keras.layers.Layer.add_weight is before
    with pytest.raises(KeyError), weight_limit(0):
        raise KeyError
    assert keras.layers.Layer.add_weight is before
