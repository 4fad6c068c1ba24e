# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a test was skipped: the missing module or feature, found by asking the machine itself.

A test that lacks something prints SKIP and says no more. Its source is rewritten so that the same line also prints the
exception, or the condition, that led there; what was never sent to the machine has its reason in the runner's rules.
"""

import ast
import pathlib

import serial

_PREFIX = "SKIP because "
_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
#: Tests that the upstream runner leaves out by itself, by what they need.
_RUNNER_RULES = {
    "64-bit floats": ("float_divmod", "float2int_doubleprec_intbig", "float_format_ints_doubleprec",
                      "float_parse_doubleprec"),
    "30-bit floats": ("float2int_fp30_intbig", "string_format_fp30", "float_format_ints_fp30"),
    "the unix port's warnings": ("exception_chain",),
    "the unix port's memory statistics": ("meminfo",),
    "the coverage build of the unix port": ("ssl_poll",),
}


def skip_reason(test: pathlib.Path, port: str) -> str:
    """The reason why `test` is skipped on the machine at serial port `port`."""
    for need, names in _RUNNER_RULES.items():
        if test.stem in names:
            return f"needs {need}"
    output = _run(port, explaining_source(test.read_text()))
    for line in output.splitlines():
        if line.startswith(_PREFIX):
            return line.removeprefix(_PREFIX)
    return "left out by run-tests.py on this platform"


class _Explain(ast.NodeTransformer):
    """Adds the cause to every `print("SKIP")`."""

    def __init__(self) -> None:
        self._causes: list[ast.expr] = []

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """A handler for everything gets the attempt as its cause: it may run where no name can be bound."""
        attempt = ast.Constant("this fails: " + "; ".join(ast.unparse(node.body).splitlines()))
        for handler in node.handlers:
            if handler.type is None:
                self._visit_below(handler, attempt)
        return self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.type is None:
            return node
        node.name = node.name or "_cause"
        cause = ast.Call(ast.Name("repr", ast.Load()), [ast.Name(node.name, ast.Load())], [])
        return self._visit_below(node, cause)

    def visit_If(self, node: ast.If) -> ast.AST:
        return self._visit_below(node, ast.Constant(ast.unparse(node.test)))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_skip = isinstance(node.func, ast.Name) and node.func.id == "print" and any(
            isinstance(argument, ast.Constant) and argument.value == "SKIP" for argument in node.args)
        if is_skip and self._causes:
            node.args = [ast.BinOp(ast.Constant(_PREFIX), ast.Add(), self._causes[-1])]
        return node

    def _visit_below(self, node: ast.AST, cause: ast.expr) -> ast.AST:
        self._causes.append(cause)
        self.generic_visit(node)
        self._causes.pop()
        return node


def explaining_source(source: str) -> str:
    """The same program, which says why when it prints SKIP."""
    return ast.unparse(ast.fix_missing_locations(_Explain().visit(ast.parse(source))))


def _run(port: str, source: str) -> str:
    """What a program prints, by the raw REPL of the machine at `port`."""
    with serial.Serial(port, 115200, timeout=5) as line:
        line.write(b"\r\x03\x03\r\x01")
        line.read_until(_BANNER)
        line.write(b"\x04")  # a soft reset gives the program a fresh machine
        line.read_until(b"soft reboot\r\n")
        line.read_until(_BANNER)
        for start in range(0, len(source), 200):
            line.write(source[start : start + 200].encode())
            line.flush()
        line.write(b"\x04")
        line.read_until(b"OK")
        return line.read_until(b"\x04").decode("utf-8", "replace")
