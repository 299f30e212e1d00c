"""Text that comes from other people, as it may be shown: on a terminal, in a table, in a message."""

from __future__ import annotations


def printable(text: str, most: int = 2000, keep: str = "") -> str:
    """The text on one line, with what can't be seen written out, so that no terminal or reader acts on it.

    Control characters, marks that turn the direction of writing, and halves of characters that no encoding can hold
    become escapes; bytes of a file's name that are not UTF-8 become `\\xff`. Line ends and tabs become spaces.

    most: characters that are kept. keep: characters that stay as they are.

    >>> printable("a\\x1b[2Jb\\nc\\udcff")
    'a\\\\x1b[2Jb c\\\\xff'
    """
    shown = "".join(c if c in keep or c.isprintable() else _escaped(c) for c in text[:most])
    return shown + "..." if len(text) > most else shown


def _escaped(character: str) -> str:
    code = ord(character)
    if character in "\n\r\t":
        return " "
    if 0xDC80 <= code <= 0xDCFF:  # a byte, as Python keeps it in names of files
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
