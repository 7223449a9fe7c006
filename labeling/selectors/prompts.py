"""What a campaign's prompts are: by category, what says nearly the same, what leaks."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from labeling.models import Campaign, Judgment, Prompt, Report
from labeling.near_duplicates import SIMILAR, Near, groups, near_duplicates
from labeling.selectors.reports import latest_report
from labeling.splits import split_of

MOST_COMPARED = 50_000  # prompts: some 500 MB (docs/experiments.md)
MOST_NAMED = 500  # groups, and leaks: a table that somebody reads


def prompt_figures(campaign: Campaign, judges: str) -> dict[str, Any]:
    """Categories, near-duplicates and leaks of a campaign's prompts; judges are not asked."""
    prompts = campaign.prompts.order_by("id")
    texts = islice(_texts(campaign), MOST_COMPARED)
    pairs = list(near_duplicates(texts))
    own = set(prompts.values_list("pk", flat=True)[:MOST_COMPARED])
    within = [pair for pair in pairs if pair.one in own and pair.other in own]
    together = groups(within)
    leaks = list(_leaks(pairs))
    shown = {pk for group in together[:MOST_NAMED] for pk in group[:2]} | {
        pk for pair in leaks[:MOST_NAMED] for pk in (pair.one, pair.other)
    }
    words = {prompt.pk: _words(prompt.messages) for prompt in Prompt.objects.filter(pk__in=shown)}
    categories = Counter(prompts.values_list("category", flat=True).iterator())
    return {
        "prompts": categories.total(),
        "compared": min(categories.total(), MOST_COMPARED),
        "similar": SIMILAR,
        "categories": _largest_first(categories),
        "too_many": sum(len(group) - 1 for group in together),
        "groups": [
            {"prompts": len(group), "one": words[group[0]], "other": words[group[1]]}
            for group in together[:MOST_NAMED]
        ],
        "clusters": together,
        "leaking": len({pair.one for pair in leaks} | {pair.other for pair in leaks}),
        "leaks": [
            {
                "similarity": round(pair.similarity, 3),
                "one": words[pair.one],
                "other": words[pair.other],
                "elsewhere": not (pair.one in own and pair.other in own),
            }
            for pair in leaks[:MOST_NAMED]
        ],
    }


def _largest_first(categories: Counter[str]) -> list[dict[str, Any]]:
    return [
        {"name": name, "prompts": count}
        for name, count in sorted(categories.items(), key=lambda item: (-item[1], item[0]))
    ]


@dataclass(frozen=True)
class Spare:
    """Near-duplicates that a campaign could do without, by the last look at its prompts."""

    prompts: list[int]  # to leave out: of each group all but one, and none that is asked
    asked: int  # near-duplicates that stay although their group keeps another: they are asked


def spare_prompts(campaign: Campaign) -> Spare:
    """Each group keeps what is asked already, or else its first."""
    report = latest_report(campaign, Report.Subject.PROMPTS, Judgment.JudgeKind.PERSON)
    clusters = report.figures.get("clusters", []) if report else []
    near = {pk for cluster in clusters for pk in cluster}
    here = set(campaign.prompts.filter(pk__in=near).values_list("pk", flat=True))
    asked = _asked_about(campaign, here)
    spare: list[int] = []
    stay = 0
    for cluster in clusters:
        present = [pk for pk in sorted(cluster) if pk in here]
        idle = [pk for pk in present if pk not in asked]
        spare += idle if len(idle) < len(present) else idle[1:]
        stay += max(0, len(present) - len(idle) - 1)
    return Spare(spare, stay)


def _asked_about(campaign: Campaign, prompts: set[int]) -> set[int]:
    """Those of the prompts that pairs, groups or slots of the campaign are about."""
    return {
        pk
        for about in (campaign.comparisons, campaign.groups, campaign.demonstration_slots)
        for pk in about.filter(prompt__in=prompts).values_list("prompt", flat=True)
    }


def _texts(campaign: Campaign) -> Iterator[tuple[int, str]]:
    """The campaign's prompts, then what other campaigns hold out for tests."""
    own = campaign.prompts.order_by("id").values_list("pk", "messages")
    for pk, messages in own.iterator(chunk_size=1000):
        yield pk, _said(messages)
    held_out = (
        Prompt.objects.filter(campaigns__isnull=False)
        .exclude(campaigns=campaign)
        .distinct()
        .order_by("id")
        .values_list("pk", "digest", "messages")
    )
    for pk, digest, messages in held_out.iterator(chunk_size=1000):
        if split_of(digest) == "test":
            yield pk, _said(messages)


def _leaks(pairs: list[Near]) -> Iterator[Near]:
    """Near-duplicates on both sides of the split: what is trained on says what is tested with."""
    digests = dict(
        Prompt.objects.filter(
            pk__in={pk for pair in pairs for pk in (pair.one, pair.other)}
        ).values_list("pk", "digest")
    )
    for pair in pairs:
        if split_of(digests[pair.one]) != split_of(digests[pair.other]):
            yield pair


def _said(messages: list[dict[str, Any]]) -> str:
    """What is compared: all that is said, so that one question after two talks is two."""
    return "\n".join(message["content"] for message in messages)


def _words(messages: list[dict[str, Any]]) -> str:
    text = " ".join(str(messages[-1]["content"]).split())
    return text if len(text) <= 200 else f"{text[:199]}…"
