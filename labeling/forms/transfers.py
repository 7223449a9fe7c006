"""Which judgments leave a campaign, and what comes into it."""

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.models import SnapshotOrder
from labeling.selectors.judgments import kinds_asked_for


class ImportForm(forms.Form):
    file = forms.FileField(
        label=_("Preferences"),
        help_text=_(
            "JSONL as TRL reads it or as HH-RLHF has it, or PandaLM's layout with several "
            "annotators; may be gzipped."
        ),
    )


class KindsForm(forms.Form):
    """Whose judgments: people's always, others only when asked for."""

    simulated = forms.BooleanField(required=False, label=_("with simulated judgments"))
    ai = forms.BooleanField(required=False, label=_("with AI judgments"))

    def kinds(self) -> list[str]:
        return kinds_asked_for(simulated=self.cleaned_data["simulated"], ai=self.cleaned_data["ai"])


class SnapshotForm(KindsForm):
    """Whose judgments are frozen, and how those on one pair become its label."""

    method = forms.ChoiceField(
        choices=SnapshotOrder.Method.choices,
        initial=SnapshotOrder.Method.SHARES,
        required=False,
        label=_("Labels"),
    )

    def clean_method(self) -> str:
        return self.cleaned_data["method"] or SnapshotOrder.Method.SHARES


class ExportForm(KindsForm):
    format = forms.ChoiceField(
        choices=[("jsonl", "JSONL"), ("parquet", "Parquet")], label=_("Format")
    )
