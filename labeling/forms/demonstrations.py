"""What labelers send who write ideal answers, and which of those leave a campaign."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.files.preferences import LONGEST_RESPONSE
from labeling.forms.judgments import SkipForm
from labeling.forms.transfers import KindsForm
from labeling.models import Demonstration, DemonstrationSkip, Judgment


class DemonstrationForm(forms.Form):
    """One ideal answer, and the response that it was made from."""

    text = forms.CharField(
        max_length=LONGEST_RESPONSE,
        label=_("The ideal answer"),
        error_messages={"required": _("Write the answer first.")},
        widget=forms.Textarea(attrs={"rows": 12, "data-text": "", "dir": "auto"}),
    )
    started_from = forms.IntegerField(required=False, widget=forms.HiddenInput)
    seconds = forms.FloatField(required=False, min_value=0, widget=forms.HiddenInput)
    client_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "answer-%s")
        super().__init__(*args, **kwargs)

    @classmethod
    def filled(cls, demonstration: Demonstration) -> "DemonstrationForm":
        """The form with a demonstration in it, as it was written."""
        return cls(
            initial={"text": demonstration.text, "started_from": demonstration.started_from_id}
        )


class SkipPromptForm(SkipForm):
    """Why a labeler leaves a prompt unanswered."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = self.fields["reason"].choices[1:]  # type: ignore[attr-defined]
        self.fields["reason"].choices = [  # type: ignore[attr-defined]
            (DemonstrationSkip.Reason.CANT_JUDGE, _("I can't answer this")),
            *others,
        ]


class PreviewForm(forms.Form):
    """A text as it stands at this moment, finished or not."""

    text = forms.CharField(required=False, max_length=LONGEST_RESPONSE, strip=False)
    started_from = forms.IntegerField(required=False)


class AuthorsForm(KindsForm):
    simulated = forms.BooleanField(required=False, label=_("with simulated answers"))
    ai = forms.BooleanField(required=False, label=_("with answers by models"))


class DemonstrationKindsForm(AuthorsForm):
    """Whose demonstrations are frozen, and which: made here, edited, or from files."""

    sources = forms.MultipleChoiceField(
        label=_("Sources"),
        choices=[
            ("written", _("written here")),
            ("edited", _("edited responses")),
            ("imported", _("from files")),
            ("sampled", _("best of several samples")),
        ],
        initial=["written", "edited", "imported", "sampled"],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one source.")},
    )


class DemonstrationImportForm(forms.Form):
    file = forms.FileField(
        label=_("Demonstrations"),
        help_text=_("JSONL with messages, or with prompt and completion; may be gzipped."),
    )
    written_by = forms.ChoiceField(
        label=_("Written by"),
        choices=[
            (Judgment.JudgeKind.PERSON, _("people")),
            (Judgment.JudgeKind.AI, _("a model")),
            (Judgment.JudgeKind.SIMULATION, _("a simulation")),
        ],
    )


class DemonstrationExportForm(AuthorsForm):
    layout = forms.ChoiceField(
        label=_("Layout"),
        choices=[
            ("completion", _("Prompt and completion")),
            ("messages", _("Messages of the whole conversation")),
        ],
    )
