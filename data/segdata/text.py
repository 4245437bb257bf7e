"""Makes text from files, libraries and addresses safe to show: one line, no control characters, no passwords."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_SHORT = 200
_LINE = 2000  # letters of an error: it may quote a whole command line


# The user in an address, up to the last @: a password may have any character in it, "/" too. An @ behind a plain host
# is a part of the path, as in rtsp://camera/live@1.
_USER = re.compile(r".*:.*@|[^/?#]*@", re.DOTALL)

# `?password=secret`, and what cheap cameras have in their paths: `/user=admin_password=secret_channel=1`.
_SECRET = re.compile(
    r"((?:pass|pwd|psw|secret|token|key|auth|sig|credential|session)[^=&/?@]*=)[^&]+", re.IGNORECASE | re.DOTALL
)


def printable(text: str) -> str:
    """Return `text` on one line, without passwords, with "?" for what terminals, XML or UTF-8 cannot hold."""
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


def first_problem(error: "ValidationError", whole: str = "the file") -> str:
    """Return where the first problem is and what it is: `splits.val.names: Field required`.

    `whole` is named where the problem is not in one field.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return f"not JSON ({short(first['ctx']['error'])})"
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{short(where)}: {short(first['msg'])}"


def without_password(address: str) -> str:
    """Return an address (`scheme://...`) without the user, the password and the keys in it.

    It hides too much rather than too little: an unescaped password may look like a host or a path.
    """
    scheme, mark, rest = address.partition("://")
    user = _USER.match(rest)
    if user and _SECRET.search(user[0]):  # it is unclear which part is the password
        return f"{scheme}{mark}***"
    rest = rest[user.end() :] if user else rest
    return scheme + mark + _SECRET.sub(r"\1***", rest)


def without_passwords(text: str) -> str:
    """Return a text, such as a message of FFmpeg, with each address in it as `without_password` shows it."""
    # Only at the beginning of a word: otherwise a long one would be scanned to its end from each of its letters.
    return re.sub(r"(?<![\w+.-])[\w+.-]+://\S+", lambda address: without_password(address[0]), text)
