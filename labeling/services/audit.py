"""The audit log: written by whoever does an administrative act, in the transaction of the act."""

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models
from django.db.transaction import TransactionManagementError
from django.forms.models import model_to_dict

from labeling.models import AuditEvent, Campaign, User


def record(
    *,
    actor: User | None,
    act: str,
    subject: models.Model | str,
    details: dict[str, Any] | None = None,
    campaign: Campaign | None = None,
) -> AuditEvent:
    """Write down an act: both happen, or neither.

    Args:
        actor: who did it; None for a trigger or a command.
        act: one of `Act`.
        subject: what it was done to; a campaign, or what has one, is readable by its managers.
        details: what else is worth knowing, as JSON can hold it; never a secret.
        campaign: whose managers may read it, where the subject does not say so itself.

    Raises:
        TransactionManagementError: outside of a transaction the act could happen without its
            record.
    """
    if not _in_the_transaction_of_the_act():
        raise TransactionManagementError(f"{act} is recorded outside of the act's transaction.")
    if campaign is None:
        found = subject if isinstance(subject, Campaign) else getattr(subject, "campaign", None)
        campaign = found if isinstance(found, Campaign) else None
    key = (
        {"subject_type": subject._meta.model_name or "", "subject_id": str(subject.pk)}
        if isinstance(subject, models.Model)
        else {}
    )
    return AuditEvent.objects.create(
        actor=actor,
        act=act,
        **key,
        subject=str(subject)[:300],
        campaign=campaign,
        details=_as_json(details or {}),
    )


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """What a change changed: field -> [before, after]."""
    return {
        name: [before.get(name), after.get(name)]
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def state_of(row: models.Model, fields: list[str] | None = None) -> dict[str, Any]:
    """A row's columns as they are now, to be compared with later; without its many-to-many."""
    many = [field.name for field in row._meta.many_to_many]
    return model_to_dict(row, fields=fields, exclude=many)


def _in_the_transaction_of_the_act() -> bool:
    """The transaction that a test wraps around itself is not the act's."""
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def _as_json(details: dict[str, Any]) -> dict[str, Any]:
    """Dates, decimals and lazy words as text, so that the record never fails the act."""
    encoder = _Encoder()
    plain: dict[str, Any] = encoder.plain(details)
    return plain


class _Encoder(DjangoJSONEncoder):
    def plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): self.plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple | set):
            return [self.plain(one) for one in value]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        try:
            return self.default(value)
        except TypeError:
            return str(value)
