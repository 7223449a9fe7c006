import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labeling.forms import generating_policies
from labeling.models import Campaign, CampaignPolicy, PlannedMeeting, Policy
from labeling.services.prompts import LONGEST_MESSAGE
from rewardmodel.models import RewardModel
from rewardmodel.selectors.held_out import others_ready
from rlhf.learning.settings import MODES, PPOTraining  # plain Python, no torch
from rlhf.models import Round


class DecisionForm(forms.Form):
    """What becomes of a round's new policy, and why."""

    decision = forms.ChoiceField(choices=Round.Decision)
    reason = forms.CharField(
        max_length=200,
        label=_("Why?"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


# The SFT program's own choices, with words; the web process can't load it (torch).
TUNINGS = [
    ("lora", _("Small matrices beside the weights (LoRA): little memory")),
    ("full", _("All weights: more memory, learns more")),
]


class PriceForm(forms.Form):
    """What a run in progress pays from now on for a nat away from its reference."""

    kl_coef = forms.FloatField(
        min_value=0,
        max_value=1000,
        label=_("KL coefficient"),
        help_text=_("Score given up per nat; higher holds the policy nearer to its parent."),
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )


# The PPO program's modes and algorithms, with words.
PPO_MODES = [
    ("", _("default: small matrices beside the weights")),
    ("fast", _("fast: only the top layers learn")),
    ("reference", _("reference: two networks, every detail as published")),
]
ALGORITHMS = [
    ("", "PPO"),
    ("rloo", _("RLOO: four answers to a prompt compete, no critic")),
    ("dpo", _("online DPO: the better of two answers teaches")),
]
COMPETING = {"rloo": 4, "dpo": 2}  # answers to one prompt
# What may answer while a policy learns, with words.
GENERATORS = [
    ("", _("vLLM, in the process that trains")),
    ("server", _("vLLM servers, which are given the policy's matrices after each update")),
    ("transformers", _("transformers: slower, needs nothing beside it")),
]


class PPOForm(forms.Form):
    """How a round's policy learns; what is left empty is the program's own choice."""

    mode = forms.ChoiceField(choices=PPO_MODES, required=False, label=_("Mode"))
    algorithm = forms.ChoiceField(choices=ALGORITHMS, required=False, label=_("Algorithm"))
    updates = forms.IntegerField(
        required=False, min_value=1, max_value=100_000, label=_("Updates, of 64 answers each")
    )
    kl_coef = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1000,
        label=_("KL coefficient"),
        help_text=_("Score given up per nat; higher holds the policy nearer to its parent."),
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
    generator = forms.ChoiceField(choices=GENERATORS, required=False, label=_("Answers by"))
    server = forms.CharField(
        required=False,
        max_length=1000,
        label=_("Servers"),
        help_text=_(
            "Addresses with commas, where servers answer; empty: all of ROLLOUT_BASE_URL. They "
            "serve the policy that is started from and take adapters: docs/scaling.md says how."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url", "dir": "ltr"}),
    )
    held_out_model = forms.ModelChoiceField(
        queryset=RewardModel.objects.none(),
        required=False,
        label=_("Checked by"),
        empty_label=_("the newest other reward model that reads alike"),
        help_text=_("Not followed: it scores the answers to held-out prompts and teaches nothing."),
    )

    def __init__(self, *args: Any, followed: RewardModel | None, **kwargs: Any) -> None:
        """Offer the models of the same campaign that are not followed."""
        super().__init__(*args, **kwargs)
        field = self.fields["held_out_model"]
        if followed is not None:
            field.queryset = others_ready(followed)  # type: ignore[attr-defined]
        field.label_from_instance = lambda run: (  # type: ignore[attr-defined]
            gettext("Reward model %(number)s") % {"number": run.pk}
        )

    def clean(self) -> dict[str, Any]:
        """Refuse here what the program would refuse once a worker is free."""
        chosen = dict(self.config())
        generator, server = chosen.pop("generator", ""), chosen.pop("server", "")
        try:
            training = PPOTraining(**MODES[chosen.pop("mode", "default")] | chosen)
        except ValueError as reason:
            raise forms.ValidationError(str(reason)) from reason
        if server and generator != "server":
            self.add_error("server", _("Let servers answer, or leave their addresses empty."))
        if generator == "server" and training.tuning != "lora":
            self.add_error(
                "generator",
                _("Servers take small matrices only; choose the default mode, or vLLM."),
            )
        return self.cleaned_data

    def config(self) -> dict[str, Any]:
        """What config.json says of it."""
        names = ("mode", "algorithm", "updates", "kl_coef", "generator", "server")
        chosen = {n: v for n in names if (v := self.cleaned_data.get(n)) not in (None, "")}
        if chosen.get("algorithm") in COMPETING:
            chosen["answers_per_prompt"] = COMPETING[chosen["algorithm"]]
        return chosen


class StartForm(forms.Form):
    """What a round's training starts from: any version of the line, one taught by SFT included."""

    policy = forms.ModelChoiceField(
        queryset=Policy.objects.none(),
        required=False,
        label=_("Start from"),
        empty_label=_("the current policy"),
        help_text=_("The trunk of the reward model; the start and the reference of PPO."),
    )

    def __init__(self, *args: Any, line: str | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["policy"].queryset = generating_policies().filter(name=line)  # type: ignore[attr-defined]


class TeachForm(forms.Form):
    """What SFT starts from and how; empty numbers mean the program's own choice."""

    parent = forms.ModelChoiceField(
        queryset=generating_policies(), label=_("Policy that learns"), empty_label=None
    )
    tuning = forms.ChoiceField(choices=TUNINGS, required=False, label=_("What changes"))
    epochs = forms.IntegerField(
        required=False, min_value=1, max_value=50, label=_("Passes over the demonstrations")
    )
    learning_rate = forms.FloatField(
        required=False, min_value=1e-8, max_value=1, label=_("Learning rate")
    )
    batch_size = forms.IntegerField(
        required=False, min_value=1, max_value=1024, label=_("Demonstrations a step")
    )
    max_length = forms.IntegerField(
        required=False,
        min_value=16,
        label=_("Longest demonstration, in tokens"),
        help_text=_("Longer ones are left out and counted."),
    )

    def config(self) -> dict[str, Any]:
        return {
            name: self.cleaned_data[name]
            for name in ("tuning", "epochs", "learning_rate", "batch_size", "max_length")
            if self.cleaned_data[name] not in (None, "")
        }


class BestOfForm(forms.Form):
    """Who answers, how often, and which prompts."""

    policy = forms.ModelChoiceField(
        queryset=generating_policies(),
        label=_("Policy that answers"),
        empty_label=None,
        help_text=_("An inference server must have it."),
    )
    n = forms.IntegerField(min_value=2, max_value=64, initial=8, label=_("Answers to each prompt"))
    prompts = forms.IntegerField(
        min_value=2, max_value=2000, initial=64, label=_("Prompts of the campaign, at most")
    )
    temperature = forms.FloatField(
        required=False,
        min_value=0.01,
        max_value=2,
        label=_("Temperature"),
        help_text=_("Empty: 1, the policy as it is."),
    )
    max_tokens = forms.IntegerField(
        required=False, min_value=1, max_value=4096, label=_("Longest answer, in tokens")
    )

    def config(self) -> dict[str, Any]:
        return {
            name: self.cleaned_data[name]
            for name in ("n", "temperature", "max_tokens")
            if self.cleaned_data[name] not in (None, "")
        }


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
