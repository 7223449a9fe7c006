"""How PPO trains a policy, and what may be changed while it does."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from rewardmodel.models import RewardModel
from rewardmodel.selectors.held_out import others_ready
from rlhf.learning.settings import MODES, PPOTraining  # plain Python, no torch

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
        field.label_from_instance = lambda run: run.title  # type: ignore[attr-defined]

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


class PriceForm(forms.Form):
    """What a run in progress pays from now on for a nat away from its reference."""

    kl_coef = forms.FloatField(
        min_value=0,
        max_value=1000,
        label=_("KL coefficient"),
        help_text=_("Score given up per nat; higher holds the policy nearer to its parent."),
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )
