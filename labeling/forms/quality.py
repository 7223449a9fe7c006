"""What managers send about quality: questions with known answers, and who is held back."""

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.files.preferences import LONGEST_RESPONSE
from labeling.models import GoldQuestion
from labeling.services.prompts import LONGEST_MESSAGE


class GoldForm(forms.Form):
    """One question whose answer is known."""

    prompt = forms.CharField(
        max_length=LONGEST_MESSAGE, widget=forms.Textarea(attrs={"rows": 2}), label=_("Prompt")
    )
    first = forms.CharField(
        max_length=LONGEST_RESPONSE,
        widget=forms.Textarea(attrs={"rows": 4}),
        label=_("First response"),
    )
    second = forms.CharField(
        max_length=LONGEST_RESPONSE,
        widget=forms.Textarea(attrs={"rows": 4}),
        label=_("Second response"),
        help_text=_("First and second say nothing about sides: those are shuffled as always."),
    )
    right = forms.ChoiceField(choices=GoldQuestion.Right.choices, label=_("Known answer"))
    kind = forms.ChoiceField(choices=GoldQuestion.Kind.choices, label=_("Kind"))
    explanation = forms.CharField(
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2}),
        label=_("Explanation"),
        help_text=_("Markdown; shown after each answer of the test."),
    )


class GoldFileForm(forms.Form):
    file = forms.FileField(
        label=_("Questions"),
        help_text=_(
            'JSONL; each line has "prompt", "responses" (two texts), "right" (first, second or '
            'equal), and may have "kind" (silent, attention, test) and "explanation".'
        ),
    )


class HoldForm(forms.Form):
    reason = forms.CharField(
        max_length=300,
        label=_("Why?"),
        error_messages={"required": _("Say why, so that others understand it later.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
