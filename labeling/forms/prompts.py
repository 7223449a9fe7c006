"""Files of prompts that come into a campaign."""

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.models import PromptFile
from labeling.services.prompt_imports import Wanted


class PromptFileForm(forms.Form):
    """A file, which of its fields count, and how much of it is wanted."""

    file = forms.FileField(
        label=_("File of prompts"),
        max_length=200,
        help_text=_(
            "JSONL, CSV or Parquet, or a Hugging Face data set folder as a ZIP. JSONL and CSV may "
            "be gzipped."
        ),
        error_messages={
            "required": _("Choose a file first."),
            "empty": _("The file is empty."),
        },
    )
    prompt_field = forms.CharField(
        required=False,
        max_length=60,
        label=_("Field of the prompt"),
        help_text=_("a text, or a list of messages; empty: prompt"),
    )
    category_field = forms.CharField(
        required=False,
        max_length=60,
        label=_("Field of the category"),
        help_text=_("empty: category"),
    )
    split = forms.CharField(
        required=False,
        max_length=40,
        label=_("Split of a folder"),
        help_text=_("such as train; empty: all its files"),
    )
    sample_size = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        label=_("How many prompts"),
        help_text=_("drawn by chance; empty: all of them"),
    )
    spread = forms.ChoiceField(
        choices=PromptFile.Spread,
        required=False,
        label=_("Drawn"),
    )

    def wanted(self) -> Wanted:
        given = self.cleaned_data
        return Wanted(
            given["prompt_field"] or "prompt",
            given["category_field"] or "category",
            given["split"],
            given["sample_size"],
            given["spread"] or PromptFile.Spread.AS_IN_FILE.value,
        )
