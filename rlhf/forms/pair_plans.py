"""Which policies answer in a campaign, who meets whom, and how pairs are chosen."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.forms import generating_policies
from labeling.models import Campaign, CampaignPolicy, PlannedMeeting


class EntrantForm(forms.ModelForm):
    """A policy that is to answer in a campaign, and how."""

    class Meta:
        model = CampaignPolicy
        fields = ["policy", "responses", "temperature", "top_p", "max_tokens"]
        labels = {
            "policy": _("Policy"),
            "responses": _("Responses per prompt"),
            "temperature": _("Temperature"),
            "top_p": _("Nucleus (top p)"),
            "max_tokens": _("Longest response, in tokens"),
        }
        help_texts = {"responses": _("where no plan says otherwise")}

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "prefix": "entrant"})
        self.instance.campaign = campaign
        free = generating_policies().exclude(entries__campaign=campaign)
        self.fields["policy"].queryset = free  # type: ignore[attr-defined]


class MeetingForm(forms.ModelForm):
    """A line of a pair plan."""

    class Meta:
        model = PlannedMeeting
        fields = ["one", "one_temperature", "other", "other_temperature", "pairs", "weight"]
        labels = {
            "one": _("Policy"),
            "other": _("meets"),
            "one_temperature": _("at temperature"),
            "other_temperature": _("at temperature"),
            "pairs": _("Pairs per prompt"),
            "weight": _("Share"),
        }
        help_texts = {
            "one_temperature": _("empty: its own"),
            "other": _("the same policy: its responses meet each other"),
            "other_temperature": _("empty: its own"),
            "weight": _("in proportion to the other lines: 2 gets twice as many prompts as 1"),
        }

    def __init__(self, *args: Any, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "prefix": "meeting"})
        self.instance.campaign = campaign
        entrants = campaign.entrants.select_related("policy").order_by("id")
        for name in ("one", "other"):
            field = self.fields[name]
            field.queryset = entrants  # type: ignore[attr-defined]
            field.label_from_instance = lambda entrant: entrant.policy.slug  # type: ignore[attr-defined]
        for name in ("one_temperature", "other_temperature"):
            self.fields[name].widget.attrs.update(min=0, max=2)


class ChoiceForm(forms.ModelForm):
    """By which rule a campaign's pairs are chosen."""

    class Meta:
        model = Campaign
        fields = ["pair_choice", "control_share", "chosen_pairs"]
        widgets = {"pair_choice": forms.RadioSelect}
        labels = {
            "pair_choice": _("Pairs are chosen"),
            "control_share": _("Left to chance all the same"),
            "chosen_pairs": _("Pairs of a prompt"),
        }
        help_texts = {
            "pair_choice": _(
                "A reward model is unsure where its heads differ, so it needs two or more of them; "
                "until one is trained, chance chooses. The ranking takes a plan of several lines."
            ),
            "control_share": _("0.2 is one in five; what choosing is worth is measured by these"),
            "chosen_pairs": _("of all that its responses make, where a reward model chooses"),
        }
