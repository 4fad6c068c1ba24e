# SPDX-License-Identifier: Apache-2.0
"""The ways to flash, each against a model of what stands at the other end."""

import shutil
import stat
import threading
import time
from pathlib import Path

import pytest
from tercet import targets
from tercet.board.bench import Bench
from tercet.board.flash import base, drive, jlink_drive, openocd, serial_dfu, tool, uf2
from tercet.board.flash import image as images
from tercet.errors import BoardError, InputError, SetupError

from .dfu_bootloader import Bootloader
from .test_image import code

XIAO = targets.load("xiao_nrf52840")
DK = targets.load("nrf52840dk")


@pytest.fixture
def job(tmp_path):
    def make(target, **bench):
        path = tmp_path / "fw.hex"
        file = __import__("intelhex").IntelHex()
        file.frombytes(code(target.application.start, nbytes=3000), target.application.start)
        file.write_hex_file(str(path))
        image = images.read(path)
        images.preflight(image, target)
        return base.Job(Bench("desk", target.name, **{"serial": "/dev/none", **bench}), target, image, lambda *_: None)

    return make


class Uf2Drive:
    """A folder as a bootloader's drive: takes the file when it is whole, then the drive goes away."""

    def __init__(self, folder: Path, info: str, *, takes: bool = True) -> None:
        self.folder, self.got = folder, None
        folder.mkdir()
        (folder / "INFO_UF2.TXT").write_text(info)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(takes,), daemon=True)
        self._thread.start()

    def _run(self, takes):
        while not self._end.wait(0.02):
            for path in self.folder.glob("*.uf2"):
                data = path.read_bytes()
                blocks = int.from_bytes(data[24:28], "little") if len(data) >= 512 else 0
                if takes and blocks and len(data) == 512 * blocks:
                    self.got = images.read(path)
                    shutil.rmtree(self.folder)
                    return

    def close(self):
        self._end.set()
        self._thread.join(5)


INFO = "UF2 Bootloader 0.6.2\r\nModel: Seeed XIAO nRF52840\r\nBoard-ID: Seeed_XIAO_nRF52840_Sense\r\nSoftDevice: S140 7.3.0\r\n"


@pytest.fixture
def uf2_drive(tmp_path):
    made = []

    def make(info=INFO, **options):
        made.append(Uf2Drive(tmp_path / "XIAO", info, **options))
        return made[-1]

    yield make
    for drive_ in made:
        drive_.close()


def test_a_uf2_drive_takes_the_image_and_vanishes(job, uf2_drive):
    place = uf2_drive()
    task = job(XIAO, uf2_drive=str(place.folder))
    assert uf2.flash(task) is True
    at = XIAO.application.start
    assert place.got.family == 0xADA52840 and place.got.at(at, 3000) == task.image.at(at, 3000)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (INFO.replace("Seeed_XIAO", "Feather"), "belongs to Feather"),
        (INFO.replace("7.3.0", "6.1.1"), "S140 6.1.1"),
        (INFO.replace("SoftDevice: S140 7.3.0", "SoftDevice: not found"), "not found"),
    ],
)
def test_another_boards_drive_is_refused_before_anything_is_written(job, uf2_drive, info, message):
    place = uf2_drive(info)
    with pytest.raises(InputError, match=message):
        uf2.flash(job(XIAO, uf2_drive=str(place.folder)))
    assert [path.name for path in place.folder.iterdir()] == ["INFO_UF2.TXT"]


def test_a_drive_that_stays_did_not_take_the_image(job, uf2_drive, monkeypatch):
    monkeypatch.setattr(uf2, "_DRIVE_S", 0.3)
    with pytest.raises(BoardError, match="did not take"):
        uf2.flash(job(XIAO, uf2_drive=str(uf2_drive(takes=False).folder)))


def test_no_drive_is_an_error_with_the_remedy(job, tmp_path, monkeypatch):
    monkeypatch.setattr(uf2, "_DRIVE_S", 0.3)
    with pytest.raises(BoardError, match="no bootloader drive"):
        uf2.flash(job(XIAO, uf2_drive=str(tmp_path / "nothing")))


def test_a_drive_that_vanishes_too_early(tmp_path):
    with pytest.raises(BoardError, match="after 0 of 100 bytes"):
        drive.copy(bytes(100), tmp_path / "gone", "x", lambda *_: None)


def test_the_jlink_drive_takes_hex_and_tells_failures(job, tmp_path):
    place = tmp_path / "JLINK"
    place.mkdir()
    task = job(DK, uf2_drive=str(place))
    assert jlink_drive.obstacle(task.bench, DK) == ""
    assert jlink_drive.flash(task)
    assert (place / "firmware.hex").read_bytes() == task.image.path.read_bytes()
    (place / "FAIL.TXT").write_text("readback protection")
    with pytest.raises(BoardError, match="readback protection"):
        jlink_drive.flash(task)


def fake_tool(folder, name, script, monkeypatch):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return path


def test_openocd_gets_probe_configuration_and_image(job, tmp_path, monkeypatch):
    fake_tool(tmp_path, "openocd", f'for w in "$@"; do echo "$w"; done > {tmp_path}/words', monkeypatch)
    task = job(DK, probe="683456789")
    assert openocd.obstacle(task.bench, DK) == ""
    assert openocd.flash(task)
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:6] == ["-f", "interface/jlink.cfg", "-c", "transport select swd", "-f", "target/nrf52.cfg"]
    assert "adapter serial 683456789" in words and words[-1].startswith("program {") and "verify reset exit" in words[-1]


def test_a_tool_that_fails_hangs_or_is_missing(job, tmp_path, monkeypatch):
    fake_tool(tmp_path, "openocd", "echo Error: unable to find a matching CMSIS-DAP device; exit 1", monkeypatch)
    with pytest.raises(BoardError, match="unable to find"):
        openocd.flash(job(DK))
    fake_tool(tmp_path, "openocd", "exec sleep 30", monkeypatch)
    monkeypatch.setattr(openocd, "_DEADLINE_S", 0.2)
    with pytest.raises(BoardError, match="did not end"):
        openocd.flash(job(DK))
    with pytest.raises(SetupError):
        tool.run([str(tmp_path / "no-such-tool")], "desk", 1)
    assert "remote" in openocd.obstacle(Bench("d", "nrf52840dk", "x", "remote:127.0.0.1:1"), DK)


@pytest.fixture
def bootloader():
    if not tool.find("adafruit-nrfutil"):
        pytest.skip("adafruit-nrfutil is not installed: pip install adafruit-nrfutil")
    made = []

    def make(**options):
        made.append(Bootloader(**options))
        return made[-1]

    yield make
    for bootloader_ in made:
        bootloader_.close()


def test_serial_dfu_carries_the_image_to_the_bootloader(job, bootloader):
    end = bootloader()
    task = job(XIAO, serial=end.port)
    assert serial_dfu.obstacle(task.bench, XIAO) == ""
    assert serial_dfu.flash(task)
    assert end.done.wait(1)
    data = task.image.segments[0][1]
    assert bytes(end.flash)[: len(data)] == data and end.size == len(end.flash)
    assert end.init


def test_a_deaf_bootloader_is_an_error(job, bootloader, monkeypatch):
    monkeypatch.setattr(serial_dfu, "_DEADLINE_S", 3.0)
    begun = time.monotonic()
    with pytest.raises(BoardError, match=r"did not|failed"):
        serial_dfu.flash(job(XIAO, serial=bootloader(deaf=True).port))
    assert time.monotonic() - begun < 60


def test_the_choice_names_every_obstacle(tmp_path):
    bench = Bench("desk", "evk_nina_b3", "/dev/none", uf2_drive=str(tmp_path / "none"))
    with pytest.raises(SetupError, match="pyocd: no debug probe"):
        base.choose(bench, targets.load("evk_nina_b3"))
    assert base.choose(Bench("v", "nrf52840dk", "/dev/none", "remote:127.0.0.1:1"), DK) == "pyocd"
    with pytest.raises(InputError, match="telepathy"):
        base.strategy("telepathy")


def test_a_probe_that_is_not_there_is_an_error(job):
    from tercet.board.flash import pyocd

    with pytest.raises(BoardError, match="probe"):
        pyocd.flash(job(DK, probe="remote:127.0.0.1:9"))
