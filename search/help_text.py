"""Help that fits a terminal, with examples that can be copied."""

import argparse
import re
import textwrap

_EXAMPLES = "examples:"
# What stands between a command and what is said of it.
_GAP = re.compile(r" {2,}")
_MORE = " " * 6


class HelpText(argparse.HelpFormatter):
    """Wraps all prose; commands of the examples are never broken, so that they can be copied."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Return a description wrapped, or the examples, each in a line where it fits."""
        if _EXAMPLES not in text.splitlines():
            return super()._fill_text(text, width, indent)
        return "\n".join(line for example in text.splitlines() for line in _lines(example, width))

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Return what an option does, in lines that break no address."""
        return textwrap.wrap(" ".join(text.split()), max(width, 1), break_long_words=False)


def _lines(example: str, width: int) -> list[str]:
    """Return an example, with what is said of it on lines of its own where they do not fit."""
    if example and not example.startswith(" "):  # a sentence among them
        return textwrap.wrap(example, max(width, 1), break_long_words=False)
    command, *said = _GAP.split(example.strip(), maxsplit=1)
    if len(example) <= width or not said:
        return [example]
    wrapped = textwrap.wrap(said[0], max(width - len(_MORE), 1), break_long_words=False)
    return [f"  {command}", *(f"{_MORE}{line}" for line in wrapped)]
