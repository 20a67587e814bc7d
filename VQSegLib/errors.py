"""Exceptions that carry one sentence for the user."""


class VQSegError(Exception):
    """Base of every error raised on purpose by VQSeg; ``str(error)`` is one sentence for the user."""


class UserError(VQSegError):
    """Something the user can put right: says what is wrong, what was given, what is allowed and what to do next."""


class VolumeError(UserError):
    """An image or label map that cannot be read, written or used."""


class ModelFileError(UserError):
    """A model file that is damaged, unsafe, of another kind or of another version."""


class ProjectError(UserError):
    """A project folder that is missing, damaged or used in a way that would lose data."""


class ConfigError(UserError):
    """A configuration value that is unknown, out of range or contradicts another one."""


class Cancelled(VQSegError):  # noqa: N818 - a request of the user, not an error
    """The user stopped the work; nothing was written."""
