from django.db import transaction

from labeling.models import MailWish, User


@transaction.atomic
def wish_for_letters(*, user: User, kinds: list[str]) -> None:
    """Exactly these kinds of events are written to the user about."""
    user.mail_wishes.exclude(kind__in=kinds).delete()
    MailWish.objects.bulk_create(
        (MailWish(user=user, kind=kind) for kind in kinds), ignore_conflicts=True
    )
