"""A user's own images: any format, size and mode is read, what is damaged is skipped and named, nothing blocks."""

import logging
import os

import numpy as np
import pytest
from PIL import Image

from dfkd_keras.data import image_folder
from dfkd_keras.data.dataset import resize

RED, WHITE = (255, 0, 0), (255, 255, 255)


def save(folder, name, array, mode=None, **options):
    """Writes an array as an image file and returns its path."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(array))
    (image.convert(mode) if mode else image).save(folder / name, **options)
    return folder / name


def filled(color, size=(6, 9)):
    return np.full((*size, len(color)), color, np.uint8)


def read(folder, shape=(4, 5, 3), **kwargs):
    return image_folder(str(folder), shape, **kwargs)


def one(path, channels):
    """Returns the only image of a file, in its own size of 6 x 9 pixels."""
    return read(path, (6, 9, channels)).load("test").images[0]


@pytest.fixture
def photos(tmp_path):
    """Two classes of two images each."""
    for position, name in enumerate(("cat/1.png", "cat/below/2.png", "dog/1.png", "dog/2.png")):
        save(tmp_path, name, filled((10 * position,) * 3))
    return tmp_path


@pytest.fixture
def damaged(tmp_path, rng):
    """One good image between files that cannot be read."""
    picture = rng.integers(0, 256, (64, 64, 3), dtype="uint8")
    save(tmp_path, "good.png", picture)
    cut = save(tmp_path, "cut.jpg", picture)
    cut.write_bytes(cut.read_bytes()[:1500])
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    for hidden in (".hidden.png", "Thumbs.db", ".DS_Store"):
        (tmp_path / hidden).write_text("no image")
    return tmp_path


def test_every_size_becomes_the_one_asked_for(tmp_path, rng):
    large, small = (rng.integers(0, 256, size, dtype="uint8") for size in ((40, 31, 3), (3, 2, 3)))
    save(tmp_path, "a.png", large)
    save(tmp_path, "b.bmp", small)
    images = read(tmp_path, (8, 12, 3)).load("test").images
    assert images.shape == (2, 8, 12, 3) and images.dtype == np.uint8
    for image, original in zip(images, (large, small), strict=True):
        np.testing.assert_allclose(image, resize(original[None], (8, 12))[0], atol=1.01)


@pytest.mark.parametrize(("channels", "expected"), [(1, (76,)), (3, RED), (4, (*RED, 255))])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_colors_become_the_channels_asked_for(tmp_path, mode, channels, expected):
    path = save(tmp_path, "red.tif" if mode == "CMYK" else "red.png", filled(RED), mode)
    assert (one(path, channels) == expected).all()


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_gray_images_become_the_channels_asked_for(tmp_path, mode):
    path = save(tmp_path, "gray.png", filled(WHITE), mode)
    for channels in (1, 3, 4):
        assert (one(path, channels) == 255).all()


def test_transparent_images_are_laid_on_white(tmp_path):
    half_red = save(tmp_path, "half.png", filled((*RED, 128)))
    np.testing.assert_allclose(one(half_red, 3)[0, 0], [255, 127, 127], atol=1)
    np.testing.assert_allclose(one(half_red, 4)[0, 0], [255, 0, 0, 128], atol=1)
    palette = Image.new("P", (9, 6))
    palette.putpalette([*RED])
    palette.save(tmp_path / "palette.gif", transparency=0)
    assert (one(tmp_path / "palette.gif", 3) == 255).all()


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("deep.png", np.uint16([[0, 257, 40_092, 65_535]]), [0, 1, 156, 255]),
        ("deep.tif", np.int32([[0, 257, 40_092, 65_535]]), [0, 1, 156, 255]),
        ("long.tif", np.int32([[0, 2**30, 2**31 - 1]]), [0, 128, 255]),
        ("unit.tif", np.float32([[0.0, 0.2, 1.0]]), [0, 51, 255]),
        ("bytes.tif", np.float32([[0.0, 51.0, 255.0]]), [0, 51, 255]),
    ],
)
def test_more_than_8_bits_are_scaled_to_8(tmp_path, name, values, expected):
    path = save(tmp_path, name, values)
    assert read(path, (*values.shape, 1)).load("test").images.ravel().tolist() == expected


@pytest.mark.parametrize("values", [[[-1.0, 1.0]], [[0.0, np.nan]], [[0.0, 1e9]]])
def test_gray_values_of_no_known_scale_are_not_guessed(tmp_path, values):
    with pytest.raises(ValueError, match="of no known scale"):
        read(save(tmp_path, "odd.tif", np.float32(values)))


def test_photographs_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, :16] = 255
    path = save(tmp_path, "turned.jpg", picture, exif=exif, quality=95)
    upright = read(path, (32, 16, 1)).load("test").images[0]
    assert upright[:12].min() > 240 and upright[20:].max() < 15


def test_of_an_animation_the_first_frame_is_read(tmp_path):
    first, second = (Image.fromarray(filled(color)) for color in (RED, (0, 0, 255)))
    first.save(tmp_path / "film.gif", save_all=True, append_images=[second])
    assert (one(tmp_path / "film.gif", 3) == RED).all()


def test_what_cannot_be_read_is_skipped_and_named_in_one_line(damaged, caplog):
    data = read(damaged)
    assert len(data.load("test").images) == 1 and data.load("test").labels is None
    skipped = {os.path.basename(path): cause for path, cause in data.skipped.items()}
    assert skipped.keys() == {"cut.jpg", "text.png", "empty.png", "gone.png", "loop.png", "pipe.png"}
    assert "truncated" in skipped["cut.jpg"]
    assert (skipped["text.png"], skipped["empty.png"]) == ("not an image", "empty file")
    assert (skipped["gone.png"], skipped["pipe.png"]) == ("No such file or directory", "not a regular file")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and record.getMessage().startswith("skipped 6 of 7 files in")
    assert record.getMessage().endswith("and 1 more") and "\n" not in record.getMessage()


def test_decompression_bombs_are_not_opened(tmp_path, monkeypatch):
    save(tmp_path, "bomb.png", np.zeros((60, 60), np.uint8))
    save(tmp_path, "good.png", np.zeros((6, 6), np.uint8))
    for limit in (3000, 1000):  # of which Pillow only warns, and which it refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        (cause,) = read(tmp_path).skipped.values()
        assert "exceeds limit" in cause


def test_programs_that_draw_images_are_not_run(tmp_path):
    save(tmp_path, "good.png", filled(RED))
    save(tmp_path, "program.eps", filled(RED))
    (cause,) = read(tmp_path).skipped.values()
    assert cause == "a PostScript program, which would be run"


def test_where_nothing_can_be_read_the_error_says_why(tmp_path, damaged):
    (damaged / "good.png").unlink()
    with pytest.raises(ValueError, match=r"holds no image that can be read: .*cut\.jpg' \(image file is truncated"):
        read(damaged)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match=r"holds no image that can be read: give others \(skipped: none\)"):
        read(tmp_path / "nothing")
    for path in (damaged / "text.png", damaged / "pipe.png"):
        with pytest.raises(ValueError, match="holds no image that can be read"):
            read(path)
    for name in ("absent", 300 * "x"):
        with pytest.raises(FileNotFoundError, match=f"{name}' does not exist: check the path"):
            read(tmp_path / name)


def test_subfolders_are_the_classes_in_sorted_order(photos):
    data = read(photos)
    assert (data.class_names, data.image_shape, data.masks) == (("cat", "dog"), (4, 5, 3), False)
    images, labels = data.load("test")
    assert labels.tolist() == [0, 0, 1, 1] and labels.dtype == np.int32
    assert images[:, 0, 0, 0].tolist() == [0, 10, 20, 30]
    with pytest.raises(ValueError, match="has no train split"):
        data.load("train")


def test_subfolders_are_matched_against_class_names(photos):
    assert read(photos, class_names=("dog", "bird", "cat")).load("test").labels.tolist() == [2, 2, 0, 0]
    with pytest.raises(ValueError, match=r"none of the 2 classes, 'bird', 'cat': 'dog'\. Rename them"):
        read(photos, class_names=("bird", "cat"))


def test_a_label_that_names_several_classes_is_refused(photos):
    with pytest.raises(ValueError, match="has the label 'cat', which several classes are named: tell them apart"):
        read(photos, class_names=("cat", "dog", "cat"))


def test_numbered_subfolders_are_class_indices(tmp_path):
    for name in ("10", "2"):
        save(tmp_path, f"{name}/a.png", filled(RED))
    assert read(tmp_path).load("test").labels.tolist() == [10, 2]
    assert read(tmp_path).num_classes == 11
    assert read(tmp_path, class_names="abcdefghijk").load("test").labels.tolist() == [10, 2]
    with pytest.raises(ValueError, match=r"none of the 5 classes.*: '10'"):
        read(tmp_path, class_names="abcde")


def test_dates_are_names_of_classes(tmp_path):
    for name in ("20260101", "20260102"):
        save(tmp_path, f"{name}/a.png", filled(RED))
    assert read(tmp_path).class_names == ("20260101", "20260102")


def test_folders_that_are_no_classes_give_no_labels(photos, caplog):
    data = read(photos, class_names=("a", "b"))
    assert len(data.load("test").images) == 4 and data.load("test").labels is None
    assert data.class_names == ("a", "b")
    assert "no folder in" in caplog.text
    assert read(photos / "cat").load("test").labels is None


def test_images_beside_the_folders_of_classes_are_skipped(photos):
    save(photos, "loose.png", filled(RED))
    assert read(photos).skipped == {str(photos / "loose.png"): "in no folder of a class"}


def test_circles_of_links_end(photos):
    (photos / "up").symlink_to("..")
    (photos / "cat" / "again").symlink_to("..")
    (photos / "dog" / "cats").symlink_to("../cat")
    assert read(photos).load("test").labels.tolist() == [0, 0, 1, 1]
    assert len(read(photos, class_names=("a",)).load("test").images) == 4


@pytest.mark.parametrize(
    "text",
    [
        "file,label\ncat/1.png,dog\ndog/1.png,cat\n",
        "\ufeffcat/1.png, dog\r\ndog/1.png, cat\r\n",
        "name;class\ncat/1.png;dog\ndog/1.png;cat\n",
        "sep=;\r\nfile;label\r\ncat/1.png;dog\r\ndog/1.png;cat\r\n",
        "label,width,file\ndog,9,cat/1.png\ncat,9,dog/1.png\n",
    ],
)
def test_a_csv_file_names_images_and_labels(photos, text):
    (photos / "labels.csv").write_text(text)
    images, labels = read(photos).load("test")
    assert labels.tolist() == [1, 0] and images[:, 0, 0, 0].tolist() == [0, 20]


def test_a_csv_file_elsewhere_may_hold_indices_and_name_absent_files(photos, tmp_path):
    (tmp_path / "own.csv").write_text("cat/1.png,2\nabsent.png,0\n")
    data = read(photos, labels_csv=str(tmp_path / "own.csv"), class_names=("x", "y", "z"))
    assert data.load("test").labels.tolist() == [2]
    assert data.skipped == {str(photos / "absent.png"): "No such file or directory"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"cat/1.png\n", r"the row \['cat/1.png'\] is too short"),
        (b"\xff\xfe\x00", "can't decode byte"),
        (b"cat/1.png,cat\n../outside.png,cat\n", r"'\.\./outside\.png' is not in the folder"),
        (b"cat/1.png,cat\n/etc/passwd,cat\n", "'/etc/passwd' is not in the folder"),
        (b"cat/1.png,cat\ndog/1.png, \n", "'dog/1.png' has no label"),
        (b"cat/1.png,bird\n", "none of the 2 classes, 'cat', 'dog': 'bird'"),
    ],
)
def test_csv_files_without_labels_are_refused(photos, content, message):
    (photos / "labels.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(photos, class_names=("cat", "dog"))


def test_a_missing_csv_file_is_told(photos):
    with pytest.raises(FileNotFoundError, match=r"label file 'no\.csv' does not exist"):
        read(photos, labels_csv="no.csv")
    with pytest.raises(ValueError, match=r"labels_csv='no\.csv' needs a folder"):
        read(photos / "cat" / "1.png", labels_csv="no.csv")


@pytest.mark.parametrize("prefix", ["", "test_"])
def test_array_files_are_read_and_resized(tmp_path, rng, prefix):
    images = rng.integers(0, 256, (3, 8, 8, 1), dtype="uint8")
    np.savez(tmp_path / "own.npz", **{f"{prefix}images": images, f"{prefix}labels": np.array([2, 0, 1])})
    data = read(tmp_path / "own.npz", (8, 8, 3))
    assert data.load("test").labels.tolist() == [2, 0, 1] and data.num_classes == 3
    np.testing.assert_array_equal(data.load("test").images, np.repeat(images, 3, axis=-1))
    np.savez(tmp_path / "own.npz", **{f"{prefix}images": images})
    assert read(tmp_path / "own.npz", (4, 4, 1)).load("test").labels is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": np.zeros((1, 2, 2, 1), "uint8")}, "holds no array 'images' or 'test_images'"),
        ({"images": np.zeros((1, 2, 2, 1))}, "dtype float64: give uint8"),
        ({"images": np.zeros((1, 2, 2, 5), "uint8")}, "give 1, 3 or 4 channels, last"),
        ({"images": np.zeros((2, 2, 2, 1), "uint8"), "labels": np.zeros(3, int)}, "give one label per image"),
        ({"images": np.zeros((1, 2, 2, 1), "uint8"), "labels": np.array([-1])}, r"labels\[0\] = -1, which is no class"),
        ({"images": np.zeros((1, 2, 2, 1), "uint8"), "labels": np.array([0.0])}, r"labels\[0\] = 0\.0, which is no"),
        ({"images": np.zeros((1, 2, 2, 1), "uint8"), "labels": np.array([np.nan])}, r"labels\[0\] = nan, which is no"),
        ({"images": np.zeros((1, 2, 2, 1), "uint8"), "labels": np.array([1])}, "none of the 1 classes.*: '1'"),
    ],
)
def test_array_files_of_anything_else_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "own.npz", class_names=("a",))


def test_damaged_array_files_are_refused(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros((1, 2, 2, 1), "uint8"))
    os.rename(tmp_path / "array.npy", tmp_path / "renamed.npz")
    (tmp_path / "rubbish.npz").write_bytes(b"PK rubbish")
    np.savez_compressed(tmp_path / "flipped.npz", images=np.arange(30_000).astype("uint8").reshape(1, 100, 100, 3))
    content = bytearray((tmp_path / "flipped.npz").read_bytes())
    content[200:400] = b"\xff" * 200
    (tmp_path / "flipped.npz").write_bytes(content)
    for name in ("renamed", "rubbish", "flipped"):
        with pytest.raises(ValueError, match="holds no array 'images'"):
            read(tmp_path / f"{name}.npz")


def test_of_many_images_so_many_are_read_evenly_spread(photos, caplog):
    caplog.set_level(logging.INFO)
    images, labels = read(photos, max_images=2).load("test")
    assert labels.tolist() == [0, 1] and images[:, 0, 0, 0].tolist() == [0, 20]
    assert "reading 2 of 4 images, evenly spread" in caplog.text


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (0, 4, 3)])
def test_impossible_shapes_are_refused(photos, shape):
    with pytest.raises(ValueError, match="must be height, width, and 1, 3 or 4"):
        read(photos, shape)


@pytest.mark.parametrize(
    ("parts", "chosen"),
    [
        (("train", "test"), "test"),
        (("Train", "val"), "val"),
        (("train",), "train"),
        (("validation", "dev"), "validation"),
    ],
)
def test_of_the_parts_of_a_data_set_the_test_images_are_read(tmp_path, parts, chosen):
    for part in parts:
        for position, name in enumerate(("cat", "dog")):
            save(tmp_path, f"{part}/{name}/1.png", filled((100 * position + 10 * (part == chosen),) * 3))
    found = read(tmp_path)
    images, labels = found.load("test")
    assert found.class_names == ("cat", "dog")
    assert labels.tolist() == [0, 1]
    assert images[:, 0, 0, 0].tolist() == [10, 110]


def test_a_class_may_be_named_as_a_part_of_a_data_set_is(tmp_path):
    for name in ("train", "test"):
        save(tmp_path, f"{name}/1.png", filled(WHITE))
    assert read(tmp_path, class_names=("test", "train", "plane")).load("test").labels.tolist() == [0, 1]
    save(tmp_path, "plane/1.png", filled(WHITE))
    assert read(tmp_path).class_names == ("plane", "test", "train")
