from collections.abc import Sequence

from django.db import transaction

from labeling.models import Campaign, CampaignPolicy, Policy, Prompt, User
from labeling.services.campaigns import change_status, create_campaign
from rlhf.services.generations import request_responses
from rlhf.services.serving import serve

DUEL_PROMPTS = 40  # on which a new policy meets its parent
# What labelers know from the campaign that the policy was trained in.
TAKEN_OVER = (
    *("guidelines", "overlap", "lease_minutes", "strength", "flags"),
    *("allow_tie", "allow_both_good", "allow_both_bad"),
)


@transaction.atomic
def open_duel(
    *,
    name: str,
    like: Campaign,
    policy: Policy,
    parent: Policy,
    prompts: Sequence[Prompt],
    by: User | None,
) -> Campaign:
    """A campaign in which labelers compare a new policy with its parent, blind.

    Args:
        name: labelers read it, so it must name neither of the two.
        like: whose rules, people and sampling the comparison takes over.
        policy: one response to each prompt is asked of it,
        parent: and one of this one; both are served from now on.
        prompts: held out from training; the first `DUEL_PROMPTS` of them.
        by: who opens it; None for a trigger.
    """
    entries = {entry.policy_id: entry for entry in like.entrants.all()}
    sampled = entries.get(parent.pk) or next(iter(entries.values()), CampaignPolicy())
    duel = create_campaign(
        campaign=Campaign(name=name, **{rule: getattr(like, rule) for rule in TAKEN_OVER}),
        by=None,
        entrants=[
            CampaignPolicy(
                policy=entrant,
                responses=1,
                temperature=sampled.temperature,
                top_p=sampled.top_p,
                max_tokens=sampled.max_tokens,
            )
            for entrant in (policy, parent)
        ],
    )
    for member in like.memberships.all():
        duel.memberships.create(user=member.user, role=member.role)
    serve(policy, parent)
    request_responses(campaign=duel, prompts=prompts[:DUEL_PROMPTS], by=by)
    return change_status(campaign=duel, to=Campaign.Status.OPEN, by=by)
