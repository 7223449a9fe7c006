"""What is said in a live conversation."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.services.prompts import LONGEST_MESSAGE


class MessageForm(forms.Form):
    """The next message of a live conversation."""

    message = forms.CharField(
        max_length=LONGEST_MESSAGE,
        label=_("Your message"),
        error_messages={"required": _("Write a message first.")},
        widget=forms.Textarea(attrs={"rows": 3, "data-message": ""}),
    )
    number = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    client_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "message-%s")
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
