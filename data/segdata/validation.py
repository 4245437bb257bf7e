"""What pydantic found wrong with a file of ours, in a few words."""

from pydantic import ValidationError


def first_problem(error: ValidationError, whole: str = "the file") -> str:
    """Return where the first problem is and what it is: `splits.val.names: Field required`.

    `whole` is said where the problem is not in any one field.
    """
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{where}: {first['msg']}"
