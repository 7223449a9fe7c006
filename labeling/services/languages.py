"""The language a user reads."""

from labeling.models import User


def keep_language(*, user: User, language: str) -> None:
    """Pages come in this language wherever the user signs in."""
    user.language = language
    user.save(update_fields=["language"])
