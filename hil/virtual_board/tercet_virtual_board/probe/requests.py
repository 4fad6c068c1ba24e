# SPDX-License-Identifier: GPL-2.0-or-later
"""The probe's vocabulary: what each request of pyOCD's TCP probe protocol (version 1) does.

A request is `{"id", "request", "arguments"}`; the answer is `{"id", "status", "result" | "error"}`. The probe leaves
port and bank selection to the client and offers no shortcut to memory, so that the client's own access port code runs.
"""

from collections.abc import Callable
from typing import Any

from .dap import Dap, TransferFault
from .target import DebugTarget

GENERAL_ERROR, PROBE_ERROR, TRANSFER_FAULT = 1, 3, 12
_PROTOCOL_VERSION = 1
_DEMCR, _VC_CORERESET = 0xE000EDFC, 1
_DHCSR, _C_DEBUGEN = 0xE000EDF0, 1


class RequestError(Exception):
    """A request that cannot be served; `status` is the protocol's error code."""

    def __init__(self, message: str, status: int = GENERAL_ERROR) -> None:
        super().__init__(message)
        self.status = status


class Requests:
    """Serves requests for one chip; the state (wire, reset line) is shared by all clients of the probe."""

    def __init__(self, target: DebugTarget, name: str) -> None:
        self._target = target
        self._dap = Dap(target)
        self._reset_asserted = False
        self._clients_connected = 0
        self._properties: dict[str, Any] = {
            "vendor_name": "tercet",
            "product_name": "virtual debug probe",
            "unique_id": name,
            "description": f"virtual debug probe of board {name}",
            "supported_wire_protocols": ["DEFAULT", "SWD"],
            "capabilities": ["SWJ_SEQUENCE"],
            "is_open": True,
        }
        self._handlers: dict[str, tuple[Callable[..., Any], int]] = self._table()

    def serve(self, request: str, arguments: list[Any]) -> Any:
        """The result of a request, None if it has none; raises `RequestError`."""
        if request not in self._handlers:
            raise RequestError(f"unknown request '{request}'")
        handler, count = self._handlers[request]
        if len(arguments) != count:
            raise RequestError(f"'{request}' takes {count} arguments, not {len(arguments)}")
        try:
            return handler(*arguments)
        except TransferFault as fault:
            raise RequestError(str(fault), TRANSFER_FAULT) from fault
        except (TypeError, ValueError) as error:
            raise RequestError(f"'{request}' cannot use its arguments: {error}") from error

    def _table(self) -> dict[str, tuple[Callable[..., Any], int]]:
        """Request -> handler and its number of arguments; `lock`, `unlock` belong to the server."""
        dap = self._dap
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        return {
            "hello": (self._hello, 1),
            "readprop": (self._read_property, 1),
            "open": (nothing, 0),
            "close": (nothing, 0),
            "connect": (self._connect, 1),
            "disconnect": (self._disconnect, 0),
            "swj_sequence": (nothing, 2),  # the model is always in serial-wire mode
            "set_clock": (nothing, 1),
            "flush": (nothing, 0),
            "reset": (self._pulse_reset, 0),
            "assert_reset": (self._assert_reset, 1),
            "is_reset_asserted": (lambda: self._reset_asserted, 0),
            "read_dp": (dap.read_dp, 1),
            "write_dp": (dap.write_dp, 2),
            "read_ap": (lambda addr: dap.read_ap(addr)[0], 1),
            "write_ap": (lambda addr, value: dap.write_ap(addr, [value]), 2),
            "read_ap_multiple": (dap.read_ap, 2),
            "write_ap_multiple": (dap.write_ap, 2),
            "get_memory_interface_for_ap": (nothing, 2),
            "has_swo": (lambda: False, 0),
            "swo_start": (self._no_trace, 1),
            "swo_stop": (nothing, 0),
            "swo_read": (self._no_trace, 0),
        }

    def _hello(self, version: int) -> None:
        if version != _PROTOCOL_VERSION:
            raise RequestError(f"this probe speaks protocol version {_PROTOCOL_VERSION}, not {version}")

    def _read_property(self, name: str) -> Any:
        if name == "wire_protocol":
            return "SWD" if self._clients_connected else None
        if name not in self._properties:
            raise RequestError(f"unknown property '{name}'")
        return self._properties[name]

    def _connect(self, protocol: str) -> None:
        if protocol not in self._properties["supported_wire_protocols"]:
            raise RequestError(f"the nRF52840 has no {protocol}, only SWD", PROBE_ERROR)
        self._clients_connected += 1

    def _disconnect(self) -> None:
        self._clients_connected = max(0, self._clients_connected - 1)

    def _no_trace(self, *_: Any) -> None:
        raise RequestError("the trace port (SWO) is not modelled", PROBE_ERROR)

    def _halts_on_vector(self) -> bool:
        debugging = self._target.read_word(_DHCSR) & _C_DEBUGEN
        return bool(debugging and self._target.read_word(_DEMCR) & _VC_CORERESET)

    def _pulse_reset(self) -> None:
        self._target.reset(self._halts_on_vector())

    def _assert_reset(self, asserted: bool) -> None:
        """Hold the chip at its first instruction while the line is low; let it go when the line rises.

        Holding borrows the vector catch, and gives it back at once: what the debugger sets meanwhile counts at the end.
        """
        if asserted:
            catches = self._target.read_word(_DEMCR)
            self._target.reset(True)
            self._target.write_word(_DEMCR, catches)
        elif self._reset_asserted:
            self._target.reset(self._halts_on_vector())
        self._reset_asserted = bool(asserted)
