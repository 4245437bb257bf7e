"""Makes text from files and libraries, which may hold anything, safe for a line in a terminal, a log or a table."""

from pydantic import ValidationError

from segdata.addresses import without_passwords

_SHORT = 200
_LINE = 2000  # letters of an error: it may quote a whole command line


def printable(text: str) -> str:
    """Return `text` on one line, without passwords, a question mark for what no terminal, XML or UTF-8 may hold."""
    text = without_passwords(" ".join(text.split()))
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def short(text: str) -> str:
    """Return the beginning of `text` on one printable line."""
    plain = printable(text)
    return plain if len(plain) <= _SHORT else f"{plain[:_SHORT]}..."


def one_line(text: str) -> str:
    """Return `text` on one printable line; of a very long one its beginning and its end."""
    plain = printable(text)
    return plain if len(plain) <= _LINE else f"{plain[: _LINE // 2]} ... {plain[-_LINE // 2 :]}"


def first_problem(error: ValidationError, whole: str = "the file") -> str:
    """Return where the first problem is and what it is: `splits.val.names: Field required`.

    `whole` is said where the problem is not in any one field.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{short(where)}: {short(first['msg'])}"
