import numpy as np
import pytest

from dfkd_keras.experiment.training.early_stopping import AgreementEarlyStopping


def test_a_plateau_is_as_many_epochs_without_a_better_agreement_as_patience_lasts():
    plateau = AgreementEarlyStopping(patience_epochs=2)
    assert not plateau.reached([0.5])
    assert not plateau.reached([0.5, 0.7, 0.6])
    assert plateau.reached([0.5, 0.7, 0.6, 0.7])
    assert not plateau.reached([0.5, 0.7, 0.6, 0.71])


def test_agreement_is_that_on_images_of_every_epochs_own(make_distiller, monkeypatch):
    distiller, plateau, seen = make_distiller(), AgreementEarlyStopping(images=20), []
    synthesize = distiller.synthesize
    monkeypatch.setattr(distiller, "synthesize", lambda latents: seen.append(latents) or synthesize(latents))
    assert 0.0 <= plateau.measure(distiller, 0) <= 1.0
    assert [len(latents) for latents in seen] == [8, 8, 4]
    first = plateau.measure(distiller, 3), plateau.measure(distiller, 3)
    assert first[0] == first[1] and not np.array_equal(seen[0], seen[3])
    distiller.student = distiller.teacher.model
    assert plateau.measure(distiller, 0) == 1.0


@pytest.mark.parametrize("name", ["patience_epochs", "images"])
def test_a_count_below_one_is_refused(name):
    with pytest.raises(ValueError, match=name):
        AgreementEarlyStopping(**{name: 0})
