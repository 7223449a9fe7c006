"""What managers send: a campaign's question, its rules and its people."""

from typing import Any

from django import forms
from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models import Campaign, CampaignPolicy, Membership, Policy, Prompt, User
from labeling.models.rankings import FEWEST, MOST
from labeling.services.prompts import LONGEST_MESSAGE, store_prompts
from labeling.services.satisfiable import obstacles


class WordsField(forms.CharField):
    """A list of short words, separated by commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))

    def validate(self, value: Any) -> None:
        super().validate(value)
        if any(len(word) > 40 for word in value):
            raise forms.ValidationError(_("Each of them may have up to 40 characters."))


class PeopleField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        if obj.kind == User.Kind.SIMULATION:
            return f"{obj.username} ({_('simulated')})"
        return obj.get_full_name() or obj.username


class CampaignForm(forms.ModelForm):
    """A campaign's question, its rules and its people."""

    aspects = WordsField(
        required=False,
        label=_("Aspects"),
        help_text=_("Asked one by one beside the verdict, separated by commas: helpful, honest."),
    )
    flags = WordsField(
        required=False,
        label=_("Flags"),
        help_text=_("What a labeler may mark, separated by commas: unsafe, wrong language."),
    )
    content_warnings = WordsField(
        required=False,
        label=_("Harmful content"),
        help_text=_(
            "Separated by commas: violence, hate. Labelers are warned and can opt out; responses "
            "stay covered until they are uncovered. The categories of prompts count by the same "
            "words."
        ),
    )
    labelers = PeopleField(
        queryset=User.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Labelers"),
    )

    class Meta:
        model = Campaign
        fields = [
            *("name", "guidelines", "overlap", "lease_minutes", "strength", "rationale_from"),
            *("allow_tie", "allow_both_good", "allow_both_bad", "break_after"),
            "edits_better",
            *("content_warnings", "exposure_cap"),
            *("gold_share", "repeat_share", "repeat_after_days"),
            *("pass_share", "probation_pairs", "show_gold"),
            *("daily_quota", "price", "budget", "deadline", "priority"),
            *("reward_model_after", "policy_margin", "approval_required"),
        ]
        widgets = {
            "guidelines": forms.Textarea(attrs={"rows": 14}),
            "deadline": forms.DateTimeInput(
                attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"
            ),
            "strength": forms.Select(
                choices=[
                    (1, _("A or B")),
                    (2, _("2 steps a side")),
                    (3, _("3 steps a side")),
                    (4, _("4 steps a side")),
                ]
            ),
            "rationale_from": forms.Select(
                choices=[
                    ("", _("never")),
                    (1, _("for each preference")),
                    (2, _("from step 2 on")),
                    (3, _("from step 3 on")),
                    (4, _("from step 4 on")),
                ]
            ),
        }
        labels = {
            "name": _("Name"),
            "guidelines": _("Guidelines"),
            "overlap": _("Labelers per pair"),
            "lease_minutes": _("Minutes a pair stays reserved"),
            "strength": _("Scale"),
            "rationale_from": _("A reason is required"),
            "exposure_cap": _("Pairs with harmful content a day"),
            "break_after": _("Suggest a break after"),
            "gold_share": _("Share of gold questions"),
            "repeat_share": _("Share of mirrored repeats"),
            "repeat_after_days": _("Days until a pair is repeated"),
            "pass_share": _("Right answers that pass the test"),
            "probation_pairs": _("Pairs on probation"),
            "show_gold": _("Labelers see in their history how often they agree with gold"),
            "daily_quota": _("Pairs a day for each labeler"),
            "price": _("Price of a judgment"),
            "budget": _("Budget"),
            "deadline": _("Deadline"),
            "priority": _("Priority"),
            "allow_tie": _("Tie"),
            "allow_both_good": _("Both good"),
            "allow_both_bad": _("Both bad"),
            "edits_better": _("The better response may be edited into the ideal answer"),
            "reward_model_after": _("Train a reward model after"),
            "policy_margin": _("Start PPO at a margin of"),
            "approval_required": _("A person approves before a new policy is promoted"),
        }
        help_texts = {
            "guidelines": _(
                "Markdown. Labelers can open it beside each pair; each change is a new version, "
                "and each judgment knows under which it was made."
            ),
            "gold_share": _("of a labeler's pairs, 0.05 is one in twenty; empty: none"),
            "repeat_share": _("the same pair to the same person, sides swapped; empty: none"),
            "repeat_after_days": "",
            "pass_share": _("0.8 is four in five, for the test before real work; empty: no test"),
            "probation_pairs": _("after the test; they become data once gold is agreed with"),
            "show_gold": "",
            "daily_quota": _("in this campaign; empty: as many as wanted"),
            "price": _("promised with each pair that is taken from now on; empty: nothing"),
            "budget": _("no pair is given out that it could not pay; empty: no limit"),
            "deadline": _("after it nothing is given out; empty: never"),
            "priority": _("of several campaigns, the highest number is labeled first"),
            "edits_better": "",
            "exposure_cap": _("for each labeler, over all campaigns; empty: no limit"),
            "break_after": _("minutes of attention; empty: never"),
            "overlap": "",
            "lease_minutes": "",
            "strength": "",
            "rationale_from": _("Step 1 is the weakest. A reason can be given in any case."),
            "reward_model_after": _("new comparisons; empty: by hand"),
            "policy_margin": _(
                "held-out accuracy over the best baseline, 0.05 is five points; empty: by hand"
            ),
            "approval_required": "",
        }

    def __init__(self, *args: Any, by: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.managers = {by.pk} if by is not None else set()  # of a campaign that is not made yet
        self.fields["priority"].required = False
        self.fields["repeat_after_days"].required = False
        people = User.objects.filter(is_active=True).order_by("kind", "username")
        self.fields["labelers"].queryset = people  # type: ignore[attr-defined]
        if self.instance.pk:
            self.initial["aspects"] = self.instance.aspects
            self.initial["flags"] = self.instance.flags
            self.initial["labelers"] = people.filter(
                memberships__campaign=self.instance, memberships__role="labeler"
            )

    def clean_priority(self) -> int:
        return self.cleaned_data["priority"] or 0

    def clean_repeat_after_days(self) -> int:
        days = self.cleaned_data["repeat_after_days"]
        return Campaign._meta.get_field("repeat_after_days").default if days is None else days

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.instance.aspects = cleaned.get("aspects", [])
        self.instance.flags = cleaned.get("flags", [])
        if cleaned.get("kind", self.instance.kind) == Campaign.Kind.RANKING:
            cleaned |= {"strength": 1, "rationale_from": None}
            if cleaned.get("aspects"):
                self.add_error(
                    "aspects", _("A ranking asks for the order alone: leave this empty.")
                )
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # puts the fields into the instance
        if not self.errors:
            for obstacle in obstacles(self.instance, self._members(), timezone.now()):
                self.add_error(obstacle.field, obstacle.why)

    def _members(self) -> int:
        """How many people the campaign has with the chosen labelers."""
        chosen = set(self.cleaned_data["labelers"].values_list("pk", flat=True))
        if self.instance.pk is None:
            return len(chosen | self.managers)
        others = self.instance.memberships.exclude(role=Membership.Role.LABELER)
        return len(chosen | set(others.values_list("user", flat=True)))


class NewCampaignForm(CampaignForm):
    """A campaign with what it asks about: prompts, and the policies that answer them."""

    kind = forms.ChoiceField(
        choices=Campaign.Kind.choices,
        initial=Campaign.Kind.COMPARISON,
        label=_("Kind"),
        help_text=_("It stays as it is once the campaign is made."),
    )
    categories = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label=_("Prompts from the library")
    )
    new_prompts = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        label=_("New prompts"),
        help_text=_("One a line."),
    )
    policies = forms.ModelMultipleChoiceField(
        queryset=Policy.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Policies that answer"),
    )
    responses = forms.IntegerField(
        min_value=1, max_value=16, initial=2, label=_("Responses per prompt and policy")
    )
    temperature = forms.FloatField(min_value=0, max_value=2, initial=1.0, label=_("Temperature"))
    max_tokens = forms.IntegerField(
        min_value=1, max_value=4096, initial=128, label=_("Longest response, in tokens")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["policies"].queryset = generating_policies()  # type: ignore[attr-defined]
        self.fields["categories"].choices = [  # type: ignore[attr-defined]
            (
                category,
                f"{category} ({count})",
            )
            for category, count in library_categories()
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        self.instance.kind = cleaned.get("kind", Campaign.Kind.COMPARISON)
        answer = cleaned.get("policies")
        if self.instance.kind == Campaign.Kind.CHAT and answer is not None and not answer:
            self.add_error("policies", _("In a live chat policies answer: choose one or two."))
        given = len(answer or ()) * (cleaned.get("responses") or 0)
        if self.instance.kind == Campaign.Kind.RANKING and answer and not FEWEST <= given <= MOST:
            self.add_error(
                "responses",
                _("A ranking takes three to nine responses to a prompt; these policies give %(n)d.")
                % {"n": given},
            )
        return cleaned

    def clean_new_prompts(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["new_prompts"].splitlines()]
        if any(len(line) > LONGEST_MESSAGE for line in lines):
            raise forms.ValidationError(_("One of the prompts is too long."))
        return [line for line in lines if line]

    def prompts(self) -> list[Prompt]:
        library = Prompt.objects.filter(category__in=self.cleaned_data["categories"])
        added = store_prompts(
            ([{"role": "user", "content": line}], "") for line in self.cleaned_data["new_prompts"]
        )
        return [*library, *added]

    def entrants(self) -> list[CampaignPolicy]:
        return [
            CampaignPolicy(
                policy=policy,
                responses=self.cleaned_data["responses"],
                temperature=self.cleaned_data["temperature"],
                max_tokens=self.cleaned_data["max_tokens"],
            )
            for policy in self.cleaned_data["policies"]
        ]


def generating_policies() -> QuerySet[Policy]:
    """Policies that can be asked: those with a checkpoint."""
    return Policy.objects.exclude(checkpoint="").order_by("name", "-version")


def library_categories() -> QuerySet[Prompt, tuple[str, int]]:
    return (
        Prompt.objects.exclude(category="")
        .values_list("category")
        .annotate(Count("id"))
        .order_by("category")
    )
