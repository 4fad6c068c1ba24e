# SPDX-License-Identifier: GPL-2.0-or-later
"""Command line: `tercet-virtual-board run ...`."""

import argparse
import sys
from pathlib import Path

from tercet_virtual_board.build import BuildError
from tercet_virtual_board.options import Options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tercet-virtual-board", description="An emulated nRF52840 board on real wires.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run one board until SIGTERM")
    add = run.add_argument
    add("--name", required=True, help="the board's name")
    add("--state", required=True, type=Path, metavar="DIR", help="folder that keeps flash and crash reports")
    add("--image", type=Path, metavar="FILE", help="firmware: Intel HEX, ELF or .bin (default: the kept flash)")
    add("--sd", type=Path, metavar="IMG", help="SD card image, made if missing (default: in the state folder)")
    add("--sd-mb", type=int, default=64, help="size of a new SD card")
    add("--sd-profile", choices=["good", "ordinary", "bad", "none"], default="ordinary",
        help="how fast the card is; none: empty slot")
    add("--sd-type", choices=["sdhc", "sdsc"], default="sdhc", help="addressing by block or by byte")
    add("--sd-write-protected", action="store_true", help="the card refuses to be written")
    add("--faults", type=Path, metavar="FILE", help="faults to inject, JSON lines")
    add("--input", type=Path, metavar="FILE", help="console input with virtual times, JSON lines")
    add("--stop-at-ms", type=float, metavar="MS", help="stop at this virtual time and leave digest.json in the state folder")
    add("--truth", type=Path, metavar="DIR", help="keep what meters estimate: charge at edges of P1.01, exact samples")
    add("--spim3-errata", action="store_true", help="SPIM3 corrupts what it sends as erratum 198 describes")
    add("--pace", choices=["realtime", "max"], default="realtime", help="virtual time against the wall clock")
    add("--ram-kb", type=int, default=256, help="RAM (the real chip has 256)")
    add("--seed", type=int, default=1, help="decides everything random")
    add("--tcp-serial", type=int, metavar="PORT", help="console on a TCP port instead of a pseudo-terminal (0: any)")
    add("--line", choices=["usb", "direct"], default="usb", help="serial line in bursts and late, as USB, or direct")
    add("--no-meter-noise", dest="meter_noise", action="store_false", help="a meter without noise")
    add("--rail", choices=["board", "soc"], default="board", help="what the meter feeds: board and card, or the SoC alone")
    add("--cycle-model", choices=["zero", "full", "instructions"], default="zero",
        help="flash without or with wait states and cache; or one cycle an instruction")
    _add_meter(commands)
    bench = commands.add_parser("bench", help="how fast the emulation is on this machine")
    bench.add_argument("--image", type=Path, metavar="FILE", help="firmware with a REPL, for the speed of bytecode")
    bench.add_argument("--json", action="store_true")
    return parser


def _add_meter(commands) -> None:
    meter = commands.add_parser("meter", help="send samples that `run --truth` kept through meters of other seeds")
    meter.add_argument("truth", type=Path, metavar="DIR", help="a folder of --truth")
    meter.add_argument("jobs", type=Path, metavar="FILE", help='JSON lines {"seed": n, "spans": [[first, last], ...]}: samples')
    meter.add_argument("out", type=Path, metavar="OUT", help="per line: metadata in SEED.txt, the wire's bytes in SEED.bin")


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 stopped by a signal, 1 the board stopped with a report, 2 wrong usage."""
    given = vars(_parser().parse_args(arguments))
    command = given.pop("command")
    if command == "bench":
        from tercet_virtual_board import bench

        return bench.main(given["image"], given["json"])
    if command == "meter":
        from tercet_virtual_board import truth

        return truth.meter_again(given["truth"], given["jobs"], given["out"])
    from tercet_virtual_board.process import BoardProcess

    try:
        return BoardProcess(Options(**given)).run()
    except (BuildError, ValueError, OSError) as error:
        print(f"tercet-virtual-board: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
