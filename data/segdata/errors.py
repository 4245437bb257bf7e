"""The errors a user can meet. Each says what came, what was expected and what to do, in one line."""


class EdgeSegError(Exception):
    """Something the user can fix. The commands print it on one line and exit with `exit_code`."""

    exit_code = 1


class InputError(EdgeSegError):
    """A file, folder or value the user named cannot be used."""

    exit_code = 3


class ContractError(EdgeSegError):
    """An artefact breaks a contract: the graph's shape, the manifest's hash, the model spec."""

    exit_code = 4


class MissingDependencyError(EdgeSegError):
    """A library, a system package or a driver is missing."""

    exit_code = 5


class VerificationError(EdgeSegError):
    """An export was made but disagrees with the model it came from, so it was not kept."""

    exit_code = 6


class IncompleteError(EdgeSegError):
    """Part of the work was done; the rest of the input could not be read."""

    exit_code = 7
