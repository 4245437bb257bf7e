"""What is wrong with a file, in a few words: what stands in it may be anything."""

from pydantic import ValidationError

_LONGEST = 200


def first_problem(error: ValidationError, whole: str = "the file") -> str:
    """Return where the first problem is and what it is: `splits.val.names: Field required`.

    `whole` is said where the problem is not in any one field.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{short(where)}: {short(first['msg'])}"


def short(text: str) -> str:
    """Return the beginning of `text`, on one line and without what a terminal would take for a command."""
    plain = "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}..."
