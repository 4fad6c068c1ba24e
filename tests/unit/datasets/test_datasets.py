# SPDX-License-Identifier: Apache-2.0
"""Data sets: fixed splits, checked hashes, refused files. No network."""

import io
import struct
import tarfile
import wave
import zipfile

import numpy as np
import pytest
from tercet.datasets import NAMES, load, packages, user_files
from tercet.datasets.dataset import stratified_split
from tercet.datasets.parsers import parse_idx, parse_label_csv, parse_ts
from tercet.errors import InputError, SetupError

DIGITS = "9bf0fd2980e961bbba75b5a7cd4eb0c103262d1f22ffd4fa740965fb778ae6dc"

FASHION = "ca3ab2a37f845e1b8ae23cab1b51749a3011ba3bf1d9016176d75cbaabac376f"


def test_digits_ship_and_their_split_never_changes():
    digits = load("digits")
    assert digits.sha256() == DIGITS
    assert digits.train_x.shape == (1438, 1, 8, 8) and digits.test_x.shape == (359, 1, 8, 8)
    assert digits.inputs("test").shape == (359, 64) and digits.inputs("train").max() == 1.0
    assert digits.inputs("train", flat=False).shape == (1438, 1, 8, 8)
    shares = np.bincount(digits.test_y) / np.bincount(np.concatenate([digits.train_y, digits.test_y]))
    assert np.all(np.abs(shares - 0.2) < 0.004)


def test_split_parts_are_disjoint_and_complete():
    labels = np.repeat([3, 7, 9], [10, 20, 31])
    train, test = stratified_split(labels, 0.2, 5)
    assert sorted([*train, *test]) == list(range(61)) and len(test) == 2 + 4 + 6
    with pytest.raises(InputError):
        stratified_split(labels, 1.0, 5)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="cifar10"):
        load("mnits")
    assert "digits" in NAMES


def _wheel(folder, package, contents):
    path = folder / f"{package.name.replace('-', '_')}-{package.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in zip(package.files, contents, strict=True):
            archive.writestr(name, data)
    return path


def test_package_file_with_another_hash_is_refused(tmp_path):
    _wheel(tmp_path, packages.MNIST_5K, [b"not the file"])
    with pytest.raises(InputError, match="SHA-256"):
        load("mnist-5k", cache=tmp_path)


def test_package_is_read_from_a_wheel_in_the_cache(tmp_path):
    import hashlib

    package = packages.Package("no-such-package", "1.0", {"a/b.csv": hashlib.sha256(b"1,2").hexdigest()})
    _wheel(tmp_path, package, [b"1,2"])
    assert packages.read_package(package, tmp_path) == [b"1,2"]


def test_missing_fashion_mnist_says_how_to_install(tmp_path):
    with pytest.raises(SetupError, match="apt install"):
        load("fashion-mnist", source=tmp_path)


@pytest.mark.skipif(not packages.FASHION_FOLDER.is_dir(), reason="apt install dataset-fashion-mnist")
def test_fashion_mnist_from_the_distribution():
    fashion = load("fashion-mnist")
    assert fashion.sha256() == FASHION
    assert fashion.train_x.shape == (60000, 1, 28, 28) and fashion.test_x.shape == (10000, 1, 28, 28)
    assert np.bincount(fashion.train_y).tolist() == [6000] * 10 and np.bincount(fashion.test_y).tolist() == [1000] * 10
    assert fashion.inputs("test").max() == 1.0 and fashion.licence == "MIT"


@pytest.mark.skipif(not packages.FASHION_FOLDER.is_dir(), reason="apt install dataset-fashion-mnist")
def test_a_damaged_file_of_fashion_mnist_is_refused(tmp_path):
    for name in packages.FASHION_FILES:
        (tmp_path / name).write_bytes((packages.FASHION_FOLDER / name).read_bytes())
    labels = tmp_path / "t10k-labels-idx1-ubyte.gz"
    data = bytearray(labels.read_bytes())
    data[len(data) // 2] ^= 1
    labels.write_bytes(data)
    with pytest.raises(InputError, match=r"t10k-labels.*SHA-256"):
        load("fashion-mnist", source=tmp_path)


def test_idx():
    data = b"\0\0\x08\x02" + struct.pack(">II", 2, 3) + bytes(range(6))
    assert parse_idx(data, "x").tolist() == [[0, 1, 2], [3, 4, 5]]
    for bad in (data[:-1], data + b"\0", b"\0\0\x07\x01\0\0\0\0", b"", data[:7]):
        with pytest.raises(InputError):
            parse_idx(bad, "x")


def test_label_csv():
    samples, labels = parse_label_csv(b"label,a,b\n3,4,5\n6,7,8\n", "x", header=True, label_first=True)
    assert labels.tolist() == [3, 6] and samples.tolist() == [[4, 5], [7, 8]]
    for bad in (b"1,2\n3,-4\n", b"1,2.5\n", b"1,x\n"):
        with pytest.raises(InputError):
            parse_label_csv(bad, "x", header=False, label_first=False)


def test_ts():
    text = b"# c\n@classLabel true Rest Run\n@data\n1,2:3,4:Run\n5,6:7,8:Rest\n"
    series, labels = parse_ts(text, "x")
    assert series.shape == (2, 2, 2) and labels.tolist() == [1, 0] and series[1, 0].tolist() == [5, 6]
    for bad in (text.replace(b" Rest Run", b" Run"), text.replace(b"5,6:7", b"5,6,9:7")):
        with pytest.raises(InputError):
            parse_ts(bad, "x")


def _cifar_folder(folder, records=2):
    folder.mkdir()
    for index, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
        (folder / name).write_bytes((bytes([index]) + bytes([index + 10]) * 3072) * records)
    return folder


def test_cifar10_from_a_folder(tmp_path):
    data = load("cifar10", source=_cifar_folder(tmp_path / "cifar-10-batches-bin"))
    assert data.train_x.shape == (10, 3, 32, 32) and data.test_y.tolist() == [5, 5] and data.train_x[0, 0, 0, 0] == 10


def test_cifar10_refuses_another_archive_and_cut_batches(tmp_path):
    other = tmp_path / "cifar.tar.gz"
    with tarfile.open(other, "w:gz") as archive:
        archive.add(_cifar_folder(tmp_path / "c"), "c")
    with pytest.raises(InputError, match="SHA-256"):
        load("cifar10", source=other)
    (tmp_path / "c" / "test_batch.bin").write_bytes(bytes(3072))
    with pytest.raises(InputError, match="3,073"):
        load("cifar10", source=tmp_path / "c")
    with pytest.raises(InputError, match="no file was given"):
        load("cifar10")


def _wav(samples):
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return stream.getvalue()


def test_speech_commands_from_a_folder(tmp_path):
    for word, clip in (("yes", "a.wav"), ("yes", "b.wav"), ("stop", "a.wav"), ("bed", "a.wav")):
        (tmp_path / word).mkdir(exist_ok=True)
        (tmp_path / word / clip).write_bytes(_wav([1, -2, 3]))
    (tmp_path / "testing_list.txt").write_text("yes/b.wav\nbed/a.wav\n")
    data = load("speech-commands", source=tmp_path)
    assert data.train_x.shape == (2, 1, 16000) and data.test_x.shape == (1, 1, 16000)
    assert sorted(data.train_y.tolist()) == [0, 8] and data.test_x[0, 0, :4].tolist() == [1, -2, 3, 0]
    (tmp_path / "yes" / "a.wav").write_bytes(b"RIFFjunk")
    with pytest.raises(InputError, match="WAV"):
        load("speech-commands", source=tmp_path)


def test_har_from_a_zip_and_its_shape_is_checked(tmp_path):
    path = tmp_path / "har.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, rows in (("train", 7352), ("test", 2947)):
            archive.writestr(f"UCI HAR Dataset/{part}/X_{part}.txt", ("0.5 " * 561 + "\n") * rows)
            archive.writestr(f"UCI HAR Dataset/{part}/y_{part}.txt", "6\n" * rows)
    train_x, train_y, test_x, _ = user_files.read_har(path)
    assert train_x.shape == (7352, 1, 561) and len(test_x) == 2947 and set(train_y.tolist()) == {5}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/X_train.txt", "1 2\n")
    with pytest.raises(InputError, match="holds no"):
        user_files.read_har(path)
