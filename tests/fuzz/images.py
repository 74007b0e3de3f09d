"""Folders of images of one color each, by which each is known again, with and without labels."""

import csv
import functools
import io
import os

import numpy as np
from PIL import Image

from dfkd_keras.data import image_folder
from dfkd_keras.utils.errors import NotFoundError
from tests.fuzz.harness import Case, expect
from tests.fuzz.mutations import chance, damaged, pick, replace_by_special, several

SHARE = 20
FORMATS = ("PNG", "PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
MODES = ("RGB", "RGB", "L", "RGBA", "P", "1", "CMYK", "LA", "I;16", "F")
CLASSES = ("cat", "dog", "owl")
NAMES = (
    "{}.png",
    "{}.jpg",
    "{} ü.png",
    "-{}",
    ".hidden{}.png",
    "{}\n.png",
    "{}\udcff.png",
    "{}" + "x" * 200,
    "%s{{}}{}",
)
HEADERS = {
    b"IHDR": [b"\x00\x00\xff\xff\x00\x00\xff\xff", b"\x7f\xff\xff\xff\x7f\xff\xff\xff", bytes(8), b"\xff" * 8],
    b"BM": [b"\xff" * 30, bytes(30)],
}
TOLERANCE = 12  # of the colors of a JPEG or GIF file
TABLES = (
    "", "file,label\n", "\n\n\n", "file;label\n0.png;cat\n", "label,file\n", "file,label,file\n0.png,cat,1.png\n",
    '"0.png,cat\n', "0.png\n", "../0.png,cat\n", "/etc/passwd,cat\n", "0.png,\n", "0.png,-1\n", "0.png,99999\n",
    "0.png,1e5\n", "0.png,²\n", "0.png,٣\n", "a\0b,cat\n", "0.png,cat\n0.png,dog\n", "no.png,cat\n", ".,cat\n",
    "x" * 200_000, "0.png,cat,extra\n", "\ufefffile,label\n0.png,cat\n", " 0.png , cat \n", "0.png,c\x1b[2J\n",
)  # fmt: skip


def case(rng, folder):
    layout = pick(rng, ["flat", "subfolders", "subfolders", "table", "table"])
    colors = {}  # of the files that are whole: color and label
    for index in range(int(rng.integers(1, 6))):
        _write_image(rng, folder, index, layout, colors)
    table_is_whole = layout != "table" or _write_table(rng, folder, colors)
    for _ in (strays := several(rng, 2)):
        pick(rng, STRAY)(rng, folder)
    channels, classes = pick(rng, [1, 3, 3, 4]), pick(rng, [None, CLASSES, CLASSES])
    arguments = str(folder), (5, 6, channels), classes
    expected = colors if channels == 3 and table_is_whole else {}
    is_whole = bool(colors and table_is_whole and not strays)
    return Case(lambda: _attempt(arguments, expected, layout), (repr(str(folder)), "labels.csv"), is_whole)


def _write_image(rng, folder, index, layout, colors):
    """Writes an image, which may then be damaged; notes it if it is not."""
    label, color = pick(rng, CLASSES), tuple(int(value) for value in rng.permutation(12)[:3] * 23)
    place = folder / label if layout == "subfolders" else folder
    place.mkdir(exist_ok=True)
    path = place / (f"{index}.png" if layout == "table" else pick(rng, NAMES).format(index))
    content, is_color = _encoded(rng, color)
    changes = several(rng, 2) if chance(rng, 0.4) else ()
    for _ in changes:
        content = pick(rng, (damaged, damaged, damaged, _with_other_header, _bomb))(rng, content)
    path.write_bytes(content)
    if chance(rng, 0.05):
        replace_by_special(rng, path)
    elif is_color and not changes and not path.name.startswith("."):
        colors[path] = color, label


def _encoded(rng, color):
    """Returns an image file of a color, and whether it shows that color."""
    mode, image = pick(rng, MODES), Image.new("RGB", (int(rng.integers(1, 9)), int(rng.integers(1, 9))), color)
    image = Image.new(mode, image.size) if mode in ("I;16", "F") else image.convert(mode)
    file = io.BytesIO()
    try:
        image.save(file, pick(rng, FORMATS))
    except (OSError, ValueError):  # not every format has every mode
        image.convert("RGB").save(file, "PNG")
    return file.getvalue(), mode in ("RGB", "RGBA")


def _with_other_header(rng, content):
    for mark, headers in HEADERS.items():
        if (start := content.find(mark)) >= 0:
            header = pick(rng, headers)
            return content[: start + len(mark)] + header + content[start + len(mark) + len(header) :]
    return content


@functools.cache
def bombs():
    """Returns small files of images that would fill the memory."""
    files = []
    for side in (10_000, 20_000):
        Image.new("1", (side, side)).save(file := io.BytesIO(), "PNG")
        files.append(file.getvalue())
    Image.new("P", (2, 2)).save(file := io.BytesIO(), "GIF")
    return (*files, b"GIF89a" + b"\xff" * 4 + file.getvalue()[10:])


def _bomb(rng, content):
    return pick(rng, bombs())


def _write_table(rng, folder, colors):
    """Writes `labels.csv`; returns whether it is whole."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerows([("file", "label")] if chance(rng, 0.7) else [])
    writer.writerows((path.name, label) for path, (_, label) in colors.items())
    content, is_whole = file.getvalue(), chance(rng, 0.5)
    if not is_whole and chance(rng, 0.6):
        content = pick(rng, TABLES) if chance(rng, 0.5) else content + pick(rng, TABLES)
    content = content.encode(pick(rng, ["utf-8"] if is_whole else ["utf-8", "utf-8", "utf-16", "utf-8-sig"]))
    (folder / "labels.csv").write_bytes(content if is_whole else damaged(rng, content))
    return is_whole


def _stray_file(rng, folder):
    (folder / pick(rng, ["notes.txt", "Thumbs.db", ".DS_Store", "cat.png", "x.eps", "x.svg"])).write_bytes(
        pick(rng, [b"", b"text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg/>", b"\xff\xd8\xff"])
    )


def _stray_folder(rng, folder):
    place = folder / pick(rng, ["empty", "__MACOSX", "cat", "0", "12345678", "a\nb", ".git", "²"])
    place.mkdir(exist_ok=True)


def _stray_link(rng, folder):
    if not os.path.lexists(folder / "link"):
        (folder / "link").symlink_to(pick(rng, [".", "..", "/dev/zero", "nothing", "link", "cat"]))


def _attempt(arguments, colors, layout):
    try:
        data = image_folder(*arguments)
    except NotFoundError as error:
        raise AssertionError("the folder is there") from error
    images, labels = data.load("test")
    expect(images.shape[1:] == arguments[1] and images.dtype == np.uint8 and len(images), f"images {images.shape}")
    expect(labels is None or len(labels) == len(images), "as many labels as images")
    expect(labels is None or ((labels >= 0) & (labels < len(data.class_names))).all(), "labels")
    expect(layout != "table" or not colors or labels is not None, "the table was not read")
    for path, (color, label) in colors.items():
        _find(images, labels, data.class_names, (path, color, label))


def _find(images, labels, class_names, whole):
    path, color, label = whole
    distances = np.abs(images.astype(int) - color).max(axis=(1, 2, 3))
    expect(distances.min() <= TOLERANCE, f"{path.name!r} is not there")
    if labels is not None:
        near = {class_names[index] for index in labels[distances <= TOLERANCE]}
        expect(label in near, f"{path.name!r} is labeled {near}, not {label}")


STRAY = (_stray_file, _stray_folder, _stray_link)
