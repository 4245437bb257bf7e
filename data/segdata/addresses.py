"""Addresses without the passwords in them: the one way edgeseg shows an address anywhere."""

import re

# The user in an address, up to the last @: a password may have any character in it, "/" too. An @ behind a plain host
# is a part of the path, as in rtsp://camera/live@1.
_USER = re.compile(r".*:.*@|[^/?#]*@", re.DOTALL)

# `?password=secret`, and what cheap cameras have in their paths: `/user=admin_password=secret_channel=1`.
_SECRET = re.compile(
    r"((?:pass|pwd|psw|secret|token|key|auth|sig|credential|session)[^=&/?@]*=)[^&]+", re.IGNORECASE | re.DOTALL
)


def without_password(address: str) -> str:
    """Return an address (`scheme://...`) without the user, the password and the keys in it.

    It shows rather too little than too much: a password that was typed as it is may look like a host or a path.
    """
    scheme, mark, rest = address.partition("://")
    user = _USER.match(rest)
    if user and _SECRET.search(user[0]):  # nobody can tell what is a password here
        return f"{scheme}{mark}***"
    rest = rest[user.end() :] if user else rest
    return scheme + mark + _SECRET.sub(r"\1***", rest)


def without_passwords(text: str) -> str:
    """Return a text, such as a message of FFmpeg, with each address in it as `without_password` shows it."""
    # Only from the beginning of a word: of a long one, each letter would be tried otherwise, to the word's end.
    return re.sub(r"(?<![\w+.-])[\w+.-]+://\S+", lambda address: without_password(address[0]), text)
