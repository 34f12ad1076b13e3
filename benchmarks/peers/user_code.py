"""How many lines of code a tool asks of its user."""

import ast
import io
import tokenize
from importlib.util import find_spec
from pathlib import Path

_EMPTY = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENCODING, tokenize.ENDMARKER,
}  # fmt: skip


def lines_of(module: str) -> int:
    """Return the lines of a module that are neither blank, nor comment, nor docstring."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"no such module: {module}")
    return code_lines(Path(spec.origin).read_text())


def code_lines(text: str) -> int:
    r"""Count the lines of code of a text.

    >>> code_lines('"What it is."\n\nx = 1  # why\n# and\ny = [\n    2,\n]\n')
    4
    """
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in _EMPTY
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - _docstrings(ast.parse(text)))


def _docstrings(tree: ast.Module) -> set[int]:
    """Return the lines that strings take which stand alone."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
