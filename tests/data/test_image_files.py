import numpy as np
import pytest

from dfkd_keras.data import read_images


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, size=(40, 32, 32, 1), dtype="uint8")


def test_both_kinds_of_file_are_read(tmp_path, images):
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "b.npz", images=images, labels=np.arange(40))
    for name in ("a.npy", "b.npz"):
        np.testing.assert_array_equal(read_images(tmp_path / name, (32, 32, 1)), images)


def test_what_holds_no_such_images_is_told(tmp_path, images):
    with pytest.raises(FileNotFoundError, match=r"c\.npz' does not exist: check the path"):
        read_images(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", pictures=images)
    with pytest.raises(ValueError, match=r"d\.npz' holds no array 'images'"):
        read_images(tmp_path / "d.npz")
    (tmp_path / "e.npz").write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"e\.npz' holds no array 'images'"):
        read_images(tmp_path / "e.npz")
    np.save(tmp_path / "f.npy", images / 255.0)
    with pytest.raises(ValueError, match="dtype float64: give uint8"):
        read_images(tmp_path / "f.npy")
    np.save(tmp_path / "g.npy", images)
    with pytest.raises(ValueError, match=r"shape \(40, 32, 32, 1\): each must be \(28, 28, 1\)"):
        read_images(tmp_path / "g.npy", (28, 28, 1))
    np.savez(tmp_path / "h.npz", images=images)
    (tmp_path / "i.npz").write_bytes((tmp_path / "h.npz").read_bytes()[:2000])
    (tmp_path / "j.npz").write_bytes((tmp_path / "g.npy").read_bytes())
    for name in ("i", "j"):
        with pytest.raises(ValueError, match=rf"{name}\.npz' holds no array 'images'"):
            read_images(tmp_path / f"{name}.npz")
