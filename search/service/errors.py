"""What a service refuses."""

from model.errors import UsageError


class ForbiddenError(UsageError):
    """Somebody asks for what the token does not allow."""
