# SPDX-License-Identifier: Apache-2.0
"""Bench files, targets, and what names of boards mean."""

import itertools

import pytest
from tercet import targets
from tercet.board import bench, virtual
from tercet.errors import ArtifactError, BoardError, InputError, SetupError

GOOD = """
[bench]
target = "nrf52840dk"
serial = "usb:000683456789"
probe = "683456789"
[meter]
kind = "ppk2"
port = "usb"
mode = "source"
volts = 3.3
rail = "VDD"
card_on_rail = true
address = 64
[pins]
region = 4
phases = [5, 6]
"""


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def file(tmp_path):
    def make(text):
        path = tmp_path / "desk.toml"
        path.write_text(text)
        return path

    return make


def test_a_bench_file_says_what_is_connected(file):
    found = bench.load(file(GOOD))
    assert (found.name, found.target, found.serial, found.probe) == ("desk", "nrf52840dk", "usb:000683456789", "683456789")
    meter = found.meter
    assert (meter.mode, meter.volts, meter.card_on_rail, meter.usb_on_rail) == ("source", 3.3, True, False)
    assert meter.options == {"address": 64} and found.pins == bench.Pins(4, (5, 6)) and found.kind == "attached"


def test_a_bench_without_a_meter(file):
    assert bench.load(file('[bench]\ntarget = "nrf52840dk"\nserial = "/dev/x"')).meter is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("target = ", "tarket = "), "tarket"),
        (('"nrf52840dk"', '"teapot"'), "teapot"),
        (('kind = "ppk2"', 'kind = "ruler"'), "ruler"),
        (('mode = "source"', 'mode = "sink"'), "sink"),
        (("volts = 3.3", "volts = 12"), "12"),
        (("phases = [5, 6]", "phases = [4, 6]"), "4, 4, 6"),
        (("phases = [5, 6]", "phases = [5, 9]"), "9"),
        (("[pins]", "[pins]\ncolour = 1"), "colour"),
        (("[meter]", "[meters]"), "meters"),
        (('serial = "usb:000683456789"', ""), "serial"),
        (("[bench]", "bench"), "TOML"),
    ],
)
def test_a_faulty_entry_is_named(file, change, message):
    with pytest.raises(InputError, match=message):
        bench.load(file(GOOD.replace(*change)))


def test_a_missing_bench_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such bench"):
        bench.load(tmp_path / "none.toml")


def test_names_mean_bench_files_or_running_boards(file, tmp_path):
    file(GOOD)
    with bench.select("desk", folder=tmp_path) as found:
        assert found.serial == "usb:000683456789"
    with pytest.raises(InputError, match="no board is called 'other'"), bench.select("other", folder=tmp_path):
        pass
    with pytest.raises(InputError, match="both"), bench.select("a", tmp_path / "desk.toml"):
        pass


def test_a_damaged_record_of_a_board_is_dropped(tmp_path):
    folder = virtual.state_folder()
    folder.mkdir(parents=True)
    (folder / "old.json").write_text("{")
    (folder / "dead.json").write_text('{"name":"dead","pid":999999999,"serial":"/dev/x","meter":"","probe":"","sd":""}')
    assert virtual.boards() == [] and list(folder.glob("*.json")) == []
    with pytest.raises(InputError, match="dead"):
        virtual.stop("dead")
    assert virtual.stop() == []


def test_a_board_that_is_not_installed_or_dies_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(virtual, "_MODULE", "no_such_board_module")
    image = tmp_path / "fw.bin"
    image.write_bytes(b"x")
    with pytest.raises(SetupError, match="not installed"):
        virtual.start("a", image=image)
    monkeypatch.setattr(virtual, "_MODULE", "this")  # a module that prints verses and ends
    with pytest.raises(BoardError, match="did not start"):
        virtual.start("b", image=image)
    with pytest.raises(InputError, match="no such file"):
        virtual.start("c", image=tmp_path / "none.hex")
    assert virtual.boards() == []


@pytest.mark.parametrize("name", targets.names())
def test_every_target_is_complete(name):
    target = targets.load(name)
    assert target.application.end > target.application.start and target.region("ram") and target.strategies
    assert all(isinstance(source, str) and source for source in target.sources.values()) and target.sources
    regions = sorted((r for r in target.regions), key=lambda r: r.start)
    assert all(a.end <= b.start for a, b in itertools.pairwise(regions))


def test_unknown_or_broken_targets_are_named(tmp_path):
    with pytest.raises(InputError, match="teapot"):
        targets.load("teapot")
    path = tmp_path / "mine.toml"
    path.write_text('title = "x"')
    with pytest.raises(ArtifactError, match="complete"):
        targets.load(str(path))


def test_a_bench_may_let_the_cards_bus_go_faster(file):
    text = '[bench]\ntarget = "nrf52840dk"\nserial = "/dev/x"\n'
    usual = targets.load("nrf52840dk").card
    assert bench.load(file(text)).load_target().card == usual
    assert bench.load(file(text + "card_max_hz = 32_000_000\n")).load_target().card == {**usual, "max_hz": 32_000_000}
    for wrong in ('"32 MHz"', "-1", "true"):
        with pytest.raises(InputError, match="card_max_hz"):
            bench.load(file(text + f"card_max_hz = {wrong}\n"))
