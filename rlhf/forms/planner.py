"""What is wanted of a campaign, and when it is enough."""

from django import forms
from django.utils.translation import gettext_lazy as _


class PlannerForm(forms.Form):
    """What is wanted of a campaign, and what it may rest on."""

    width = forms.FloatField(
        required=False,
        min_value=0.5,
        max_value=40,
        label=_("Win rates known to within, points"),
        help_text=_("half of a 95 % interval; 5 is plus or minus five points"),
    )
    rate = forms.FloatField(
        required=False,
        min_value=1,
        max_value=99,
        label=_("Win rate to be expected, %"),
        help_text=_("50 is the careful choice: no other needs more"),
    )
    meetings = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=1000,
        label=_("Win rates to find"),
        help_text=_("pairs of policies that meet"),
    )
    accuracy = forms.FloatField(
        required=False,
        min_value=50,
        max_value=100,
        label=_("Accuracy of the reward model, %"),
        help_text=_("on held-out pairs; empty: does not matter"),
    )
    alike = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        label=_("How alike votes on one pair are"),
        help_text=_("Krippendorff's alpha: 0 is chance, 1 is always the same"),
    )
    price = forms.DecimalField(
        required=False, min_value=0, max_digits=10, decimal_places=4, label=_("Price of a judgment")
    )
    a_day = forms.FloatField(
        required=False, min_value=1, label=_("Judgments a day"), help_text=_("of all together")
    )


class StopRuleForm(forms.Form):
    """When a campaign pauses by itself."""

    stop_width = forms.FloatField(
        required=False,
        min_value=0.5,
        max_value=49,
        label=_("Each win rate is known to within, points"),
        help_text=_("empty: whatever it is"),
    )
    stop_gain = forms.FloatField(
        required=False,
        min_value=0.01,
        max_value=50,
        label=_("100 labels add less than, points of accuracy"),
        help_text=_("by the learning curve of this campaign's own reward model; empty: never"),
    )

    def rule(self) -> dict[str, float | None]:
        """The same as shares."""
        return {
            "width": _as_share(self.cleaned_data["stop_width"]),
            "gain": _as_share(self.cleaned_data["stop_gain"]),
        }


def _as_share(points: float | None) -> float | None:
    return None if points is None else points / 100
