"""The menu: what this person may open."""

from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from labeling import access

register = template.Library()

LABELER = [
    (_("Label"), "labeling:choose"),
    (_("History"), "labeling:history"),
    (_("Settings"), "labeling:settings"),
]
MANAGER = [(_("Campaigns"), "labeling:campaigns"), (_("Audit log"), "labeling:audit")]
ENGINEER = [
    (_("Reward models"), "rewardmodel:list"),
    (_("Policies"), "rlhf:policies"),
    (_("Rounds"), "rlhf:rounds"),
    (_("Health"), "health"),
]


@register.inclusion_tag("parts/menu.html", takes_context=True)
def navigation(context: dict[str, Any]) -> dict[str, Any]:
    request = context["request"]
    entries = list(LABELER)
    if access.manages_campaigns(request.user):
        entries += MANAGER
    if request.user.steers_training:
        entries += ENGINEER
    links = []
    for words, name in entries:
        try:
            address = reverse(name)
        except NoReverseMatch:  # a part that this installation does not have
            continue
        links.append((words, address))
    # One address may begin with another: the longest that fits is the page one is on.
    fitting = [address for _, address in links if request.path.startswith(address)]
    current = max(fitting, key=len, default=None)
    return {"links": [(words, address, address == current) for words, address in links]}
