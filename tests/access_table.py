"""Who may open what: one row for each address of the project.

A new address without a row fails tests/platform/test_access.py. A row says who gets in (whoever
else is turned away with 302 to the sign-in, 401, 403 or 404), by which method it is asked, and
which objects its address names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ROLES = ["nobody", "stranger", "labeler", "reviewer", "manager", "engineer", "administrator"]


def from_(role: str) -> frozenset[str]:
    """This role and those after it."""
    return frozenset(ROLES[ROLES.index(role) :])


ANYONE = from_("nobody")
SIGNED_IN = from_("stranger")
LABELERS = from_("labeler")  # of the campaign; reviewers and managers label too
REVIEWERS = from_("reviewer")
MANAGERS = from_("manager")  # of the campaign
ENGINEERS = from_("engineer")
ADMINISTRATORS = from_("administrator")
ITS_OWNER = frozenset({"labeler"})  # the labeler whose answer, chat or skip it is


@dataclass(frozen=True)
class Row:
    who: frozenset[str]
    method: str = "GET"
    of: Callable[[Any], dict[str, Any]] = lambda world: {}
    query: str = ""


def campaign(world: Any) -> dict[str, Any]:
    return {"pk": world.campaign.pk}


def chat_campaign(world: Any) -> dict[str, Any]:
    return {"pk": world.chat.campaign_id}


def labeler(world: Any) -> dict[str, Any]:
    return {"pk": world.campaign.pk, "labeler_pk": world.people["labeler"].pk}


def gold(world: Any) -> dict[str, Any]:
    return {"pk": world.campaign.pk, "gold_pk": world.gold.pk}


def hold(world: Any) -> dict[str, Any]:
    return {"pk": world.campaign.pk, "hold_pk": world.hold.pk}


def writing(world: Any) -> dict[str, Any]:
    return {"pk": world.slot.campaign_id}


def dashboard(world: Any) -> dict[str, Any]:
    return {"pk": world.campaign.pk, "name": "agreement"}


def its(name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda world: {"pk": getattr(world, name).pk}


TABLE: dict[str, Row] = {
    "login": Row(ANYONE),
    "account_login": Row(ANYONE),
    "logout": Row(ANYONE, "POST"),
    "account_inactive": Row(ANYONE),
    "account_reauthenticate": Row(SIGNED_IN),
    "account_change_password": Row(SIGNED_IN),
    "account_set_password": Row(SIGNED_IN),
    "account_reset_password": Row(ANYONE),
    "account_reset_password_done": Row(ANYONE),
    "account_reset_password_from_key": Row(  # the link says that it is not good, or not any more
        ANYONE, "GET", lambda world: {"uidb36": "1", "key": "none"}
    ),
    "account_reset_password_from_key_done": Row(ANYONE),
    "mfa_authenticate": Row(ANYONE),  # who has shown no password before is led to the sign-in
    "mfa_reauthenticate": Row(SIGNED_IN),
    "mfa_index": Row(SIGNED_IN),
    "mfa_activate_totp": Row(SIGNED_IN),
    # Nobody in this world has a second factor, or recovery codes.
    "mfa_deactivate_totp": Row(frozenset()),
    "mfa_view_recovery_codes": Row(frozenset()),
    # No provider is set up in this world.
    "openid_connect_login": Row(frozenset(), "POST", lambda world: {"provider_id": "none"}),
    "openid_connect_callback": Row(frozenset(), "GET", lambda world: {"provider_id": "none"}),
    "socialaccount_login_cancelled": Row(ANYONE),
    "remove_identity": Row(SIGNED_IN, "POST", its("identity")),  # after the password, and one's own
    "mfa_generate_recovery_codes": Row(SIGNED_IN),
    "mfa_download_recovery_codes": Row(frozenset()),
    "health": Row(ENGINEERS),
    "healthz": Row(ANYONE),
    "api:schema": Row(ANYONE),
    "api:preferences": Row(MANAGERS, "GET", campaign),
    "labeling:home": Row(SIGNED_IN),
    "labeling:choose": Row(SIGNED_IN),
    "labeling:worker": Row(ANYONE),
    "labeling:away": Row(ANYONE),
    "labeling:language": Row(ANYONE, "POST"),
    "labeling:settings": Row(SIGNED_IN),
    "labeling:history": Row(SIGNED_IN),
    "labeling:work": Row(LABELERS, "GET", campaign),
    "labeling:ahead": Row(LABELERS, "POST", campaign),
    "labeling:release": Row(LABELERS, "POST", campaign),
    "labeling:begin": Row(LABELERS, "POST", campaign),
    "labeling:last_answer": Row(LABELERS, "GET", campaign),
    "labeling:next": Row(SIGNED_IN),
    "labeling:guidelines": Row(LABELERS, "GET", campaign),
    "labeling:clone": Row(MANAGERS, "POST", campaign),
    "labeling:archive": Row(MANAGERS, "POST", campaign),
    "labeling:guidelines_versions": Row(MANAGERS, "GET", campaign),
    "labeling:judge": Row(LABELERS, "POST", its("assignment")),
    "labeling:reuse": Row(LABELERS, "POST", its("assignment")),
    "labeling:skip": Row(LABELERS, "POST", its("assignment")),
    "labeling:change_answer": Row(ITS_OWNER, "GET", its("judgment")),
    "labeling:retract_answer": Row(ITS_OWNER, "POST", its("judgment")),
    "labeling:write": Row(LABELERS, "GET", writing),
    "labeling:last_demonstration": Row(LABELERS, "GET", writing),
    "labeling:demonstrate": Row(LABELERS, "GET", its("slot")),
    "labeling:preview": Row(LABELERS, "POST", its("slot")),
    "labeling:skip_prompt": Row(LABELERS, "POST", its("slot")),
    "labeling:change_demonstration": Row(ITS_OWNER, "GET", its("demonstration")),
    "labeling:image": Row(LABELERS, "GET", lambda world: {"digest": world.image.digest}),
    "labeling:campaigns": Row(MANAGERS),
    "labeling:create": Row(MANAGERS),
    "labeling:campaign": Row(MANAGERS, "GET", campaign),
    "labeling:progress": Row(MANAGERS, "GET", campaign),
    "labeling:edit": Row(MANAGERS, "GET", campaign),
    "labeling:quality": Row(MANAGERS, "GET", campaign),
    "labeling:gold": Row(MANAGERS, "POST", campaign),
    "labeling:gold_file": Row(MANAGERS, "POST", campaign),
    "labeling:gold_retire": Row(MANAGERS, "POST", gold),
    "labeling:hold": Row(MANAGERS, "POST", labeler),
    "labeling:admit": Row(MANAGERS, "POST", labeler),
    "labeling:lift": Row(MANAGERS, "POST", hold),
    "labeling:reviews": Row(REVIEWERS, "GET", campaign),
    "labeling:reviews_search": Row(REVIEWERS, "POST", campaign),
    "labeling:reviews_state": Row(REVIEWERS, "GET", campaign),
    "labeling:review": Row(REVIEWERS, "GET", its("review_item")),
    "labeling:review_dismiss": Row(REVIEWERS, "POST", its("review_item")),
    "labeling:status": Row(MANAGERS, "POST", campaign),
    "labeling:snapshot": Row(MANAGERS, "POST", campaign),
    "labeling:snapshot_state": Row(MANAGERS, "GET", campaign),
    "labeling:export": Row(MANAGERS, "GET", campaign, "format=jsonl"),
    "labeling:import": Row(MANAGERS, "POST", campaign),
    "labeling:demonstrations": Row(MANAGERS, "GET", writing),
    "labeling:snapshot_demonstrations": Row(MANAGERS, "POST", writing),
    "labeling:export_demonstrations": Row(MANAGERS, "GET", writing, "format=jsonl"),
    "labeling:import_demonstrations": Row(MANAGERS, "POST", writing),
    "labeling:dashboard": Row(MANAGERS, "GET", dashboard),
    "labeling:dashboard_state": Row(MANAGERS, "GET", dashboard),
    "labeling:dashboard_compute": Row(MANAGERS, "POST", dashboard),
    # No report is computed in this world, so there is no table for anybody.
    "labeling:dashboard_table": Row(
        frozenset(), "GET", lambda world: {**dashboard(world), "key": "overall"}
    ),
    "labeling:prompts": Row(MANAGERS, "GET", campaign),
    "labeling:prompts_live": Row(MANAGERS, "GET", campaign),
    "labeling:prompts_upload": Row(MANAGERS, "POST", campaign),
    "labeling:prompts_leave_out": Row(MANAGERS, "POST", campaign),
    "labeling:prompts_take_back": Row(MANAGERS, "POST", campaign),
    "labeling:prompts_stop": Row(MANAGERS, "POST", its("prompt_file")),
    "labeling:people": Row(MANAGERS, "GET", campaign),
    "labeling:groups": Row(MANAGERS),
    "labeling:group": Row(MANAGERS, "GET", its("labelers")),
    "labeling:group_leave": Row(
        MANAGERS,
        "POST",
        lambda world: {"pk": world.labelers.pk, "user_pk": world.people["labeler"].pk},
    ),
    "labeling:group_invite": Row(MANAGERS, "POST", campaign),
    "labeling:group_dismiss": Row(
        MANAGERS,
        "POST",
        lambda world: {"pk": world.campaign.pk, "group_pk": world.labelers.pk},
    ),
    "labeling:add_members": Row(MANAGERS, "POST", campaign),
    "labeling:invite": Row(MANAGERS, "POST", campaign),
    "labeling:change_member": Row(MANAGERS, "POST", its("membership")),
    "labeling:remove_member": Row(MANAGERS, "POST", its("membership")),
    "labeling:revoke_invitation": Row(MANAGERS, "POST", its("invitation")),
    "labeling:invitation": Row(ANYONE, "GET", lambda world: {"token": world.token}),
    "labeling:tokens": Row(SIGNED_IN),
    "labeling:revoke_token": Row(ITS_OWNER, "POST", its("api_token")),
    "labeling:notices": Row(SIGNED_IN),
    "labeling:webhooks": Row(MANAGERS),
    "labeling:webhook": Row(MANAGERS, "GET", its("webhook")),
    "labeling:webhook_switch": Row(MANAGERS, "POST", its("webhook")),
    "labeling:webhook_secret": Row(MANAGERS, "POST", its("webhook")),
    "labeling:replay": Row(MANAGERS, "POST", its("delivery")),
    "labeling:own_data": Row(SIGNED_IN),
    "labeling:own_data_file": Row(SIGNED_IN),
    "labeling:withdraw": Row(SIGNED_IN),
    "labeling:audit": Row(MANAGERS),
    "labeling:audit_export": Row(MANAGERS, "GET", lambda world: {"kind": "csv"}),
    "rewardmodel:list": Row(ENGINEERS),
    "rewardmodel:run": Row(ENGINEERS, "GET", its("reward_model")),
    "rewardmodel:live": Row(ENGINEERS, "GET", its("reward_model")),
    "rewardmodel:card": Row(ENGINEERS, "GET", its("reward_model")),
    "rewardmodel:compare": Row(ENGINEERS, "GET", its("reward_model")),
    "rewardmodel:pair": Row(
        ENGINEERS,
        "GET",
        lambda world: {"pk": world.reward_model.pk, "comparison": world.held_out.pk},
    ),
    "rewardmodel:suites": Row(ENGINEERS),
    "rewardmodel:measure": Row(ENGINEERS, "POST", its("reward_model")),
    "rewardmodel:appoint": Row(ENGINEERS, "POST", its("reward_model")),
    "rewardmodel:held_out": Row(ENGINEERS, "POST", its("reward_model")),
    "rewardmodel:cancel": Row(ENGINEERS, "POST", its("reward_model")),
    "rewardmodel:scores": Row(ENGINEERS, "POST", its("reward_model")),
    "rewardmodel:train": Row(ENGINEERS, "GET", its("snapshot")),
    "rlhf:policies": Row(ENGINEERS),
    "rlhf:withdrawals": Row(ENGINEERS),
    "rlhf:policy": Row(ENGINEERS, "GET", its("policy")),
    "rlhf:lineage": Row(ENGINEERS, "GET", its("policy")),
    "rlhf:best_of": Row(ENGINEERS, "GET", its("reward_model")),
    "rlhf:best_of_run": Row(ENGINEERS, "GET", its("best_of")),
    "rlhf:best_of_live": Row(ENGINEERS, "GET", its("best_of")),
    "rlhf:best_of_cancel": Row(ENGINEERS, "POST", its("best_of")),
    "rlhf:best_of_freeze": Row(ENGINEERS, "POST", its("best_of")),
    "rlhf:promote": Row(ENGINEERS, "POST", its("policy")),
    "rlhf:run": Row(ENGINEERS, "GET", its("policy_run")),
    "rlhf:live": Row(ENGINEERS, "GET", its("policy_run")),
    "rlhf:cancel": Row(ENGINEERS, "POST", its("policy_run")),
    "rlhf:price": Row(ENGINEERS, "POST", its("policy_run")),
    "rlhf:finish": Row(ENGINEERS, "POST", its("policy_run")),
    "rlhf:compare_runs": Row(ENGINEERS),
    "rlhf:teach": Row(ENGINEERS, "GET", its("written")),
    "rlhf:sft_run": Row(ENGINEERS, "GET", its("sft_run")),
    "rlhf:sft_live": Row(ENGINEERS, "GET", its("sft_run")),
    "rlhf:sft_cancel": Row(ENGINEERS, "POST", its("sft_run")),
    "rlhf:sft_compare": Row(ENGINEERS, "POST", its("sft_run")),
    "rlhf:rounds": Row(ENGINEERS),
    "rlhf:round": Row(ENGINEERS, "GET", its("round")),
    "rlhf:round_live": Row(ENGINEERS, "GET", its("round")),
    "rlhf:round_judge": Row(ENGINEERS, "POST", its("round")),
    "rlhf:round_improve": Row(ENGINEERS, "POST", its("round")),
    "rlhf:round_compare": Row(ENGINEERS, "POST", its("round")),
    "rlhf:round_settle": Row(ENGINEERS, "POST", its("round")),
    "rlhf:active": Row(ENGINEERS),
    "rlhf:generation": Row(MANAGERS, "GET", campaign),
    "rlhf:pairs": Row(MANAGERS, "POST", campaign),
    "rlhf:plan": Row(MANAGERS, "GET", campaign),
    "rlhf:plan_part": Row(MANAGERS, "GET", campaign),
    "rlhf:planner": Row(MANAGERS, "GET", campaign),
    "rlhf:planner_look": Row(MANAGERS, "POST", campaign),
    "rlhf:planner_stop": Row(MANAGERS, "POST", campaign),
    "rlhf:plan_add": Row(MANAGERS, "POST", campaign),
    "rlhf:plan_choice": Row(MANAGERS, "POST", campaign),
    "rlhf:plan_policy": Row(MANAGERS, "POST", campaign),
    "rlhf:plan_leave_out": Row(MANAGERS, "POST", its("plan_line")),
    "rlhf:campaign_rounds": Row(MANAGERS, "GET", campaign),
    "rlhf:begin": Row(ENGINEERS, "POST", campaign),
    "rlhf:chat": Row(LABELERS, "GET", chat_campaign),
    "rlhf:chat_say": Row(LABELERS, "POST", chat_campaign),
    "rlhf:chat_end": Row(ITS_OWNER, "POST", its("chat")),
    "rlhf:chat_stream": Row(ITS_OWNER, "GET", its("turn")),
    "rlhf:chat_judge": Row(ITS_OWNER, "POST", its("turn")),
    "rlhf:chat_again": Row(ITS_OWNER, "POST", its("turn")),
    "rlhf:chat_take_back": Row(ITS_OWNER, "POST", its("turn")),
}
