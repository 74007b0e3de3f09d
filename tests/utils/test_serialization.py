"""Parts are saved and loaded under their own names."""

import dataclasses

import keras

import dfkd_keras as dk


def test_a_users_part_does_not_replace_the_packages_of_the_same_name():
    ours = dk.losses.SoftTargets

    @dataclasses.dataclass(frozen=True)
    class SoftTargets(dk.losses.StudentLoss):
        """A user's own loss, named like the package's."""

    for loss in (ours(), SoftTargets()):
        config = keras.saving.serialize_keras_object(loss)
        assert type(keras.saving.deserialize_keras_object(config)) is type(loss)
