# SPDX-License-Identifier: GPL-2.0-or-later
"""The C core's functions, with their types."""

import ctypes as c

from tercet_virtual_board import build

SPI_CALLBACK = c.CFUNCTYPE(
    None, c.c_uint64, c.c_int, c.POINTER(c.c_uint32), c.c_void_p, c.c_void_p, c.c_uint32, c.c_uint32
)
PIN_CALLBACK = c.CFUNCTYPE(None, c.c_uint64, c.c_int, c.c_int)
TYPES = {
    "-": None, "p": c.c_void_p, "s": c.c_char_p, "i": c.c_int, "u": c.c_uint32, "U": c.c_uint64, "I": c.c_int64,
    "S": SPI_CALLBACK, "P": PIN_CALLBACK,
}
# Result, then the arguments after the board.
FUNCTIONS = {
    "destroy": "-", "run": "iU", "view": "-p", "report": "s", "reset": "-u", "cycle_model": "-i", "spim3_errata": "i",
    "callbacks": "-SPuu", "currents": "-pi", "card_current": "-IUI", "pin_input": "-ii", "fault_at": "-U",
    "power": "-i", "power_cycle": "-", "brown_out": "-",
    "serial_take": "usu", "serial_give": "usuU", "serial_queued": "u", "meter": "-iu", "meter_take": "uppu",
    "flash": "p", "ram": "p", "uicr": "p", "ficr": "p", "flash_clean": "-", "load": "iusu", "erase_page": "-u",
    "erase_all": "-", "path": "upu", "halt": "-", "dhcsr": "u", "bus_read": "iupu", "bus_write": "iusu",
    "register_read": "uu", "register_write": "-uu",
}


def load() -> c.CDLL:
    """The core, bound to the engine's library. Raises BuildError when it has to be compiled and cannot be."""
    c.CDLL(str(build.unicorn_library()), mode=c.RTLD_GLOBAL)
    library = c.CDLL(str(build.core_library()))
    library.tb_create.restype, library.tb_create.argtypes = c.c_void_p, [c.c_uint32, c.c_uint64]
    for name, types in FUNCTIONS.items():
        function = getattr(library, f"tb_{name}")
        function.restype, *arguments = (TYPES[letter] for letter in types)
        function.argtypes = [c.c_void_p, *arguments]
    return library
