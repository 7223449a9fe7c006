"""Addresses of the policy and round pages."""

from django.urls import path

from rlhf.views import campaigns, chats, policies, policy_runs, rounds, sft_runs, withdrawals

app_name = "rlhf"
urlpatterns = [
    path("policies/", policies.index, name="policies"),
    path("withdrawals/", withdrawals.index, name="withdrawals"),
    path("policies/<int:pk>/", policies.detail, name="policy"),
    path("policies/<int:pk>/promote/", policies.make_current, name="promote"),
    path("policy-runs/compare/", policy_runs.compare, name="compare_runs"),
    path("policy-runs/<int:pk>/", policy_runs.run, name="run"),
    path("policy-runs/<int:pk>/live/", policy_runs.live, name="live"),
    path("policy-runs/<int:pk>/cancel/", policy_runs.cancel, name="cancel"),
    path("policy-runs/<int:pk>/price/", policy_runs.price, name="price"),
    path("policy-runs/<int:pk>/finish/", policy_runs.finish, name="finish"),
    path("demonstrations/<int:pk>/teach/", sft_runs.teach, name="teach"),
    path("sft-runs/<int:pk>/", sft_runs.run, name="sft_run"),
    path("sft-runs/<int:pk>/live/", sft_runs.live, name="sft_live"),
    path("sft-runs/<int:pk>/cancel/", sft_runs.cancel, name="sft_cancel"),
    path("sft-runs/<int:pk>/comparison/", sft_runs.compare, name="sft_compare"),
    path("rounds/", rounds.index, name="rounds"),
    path("rounds/<int:pk>/", rounds.detail, name="round"),
    path("rounds/<int:pk>/live/", rounds.live, name="round_live"),
    path("rounds/<int:pk>/reward-model/", rounds.judge, name="round_judge"),
    path("rounds/<int:pk>/policy/", rounds.improve, name="round_improve"),
    path("rounds/<int:pk>/comparison/", rounds.compare, name="round_compare"),
    path("rounds/<int:pk>/decision/", rounds.settle, name="round_settle"),
    path("runs/active/", campaigns.active, name="active"),
    path("campaigns/<int:pk>/responses/", campaigns.generation, name="generation"),
    path("campaigns/<int:pk>/pairs/", campaigns.request_pairs, name="pairs"),
    path("campaigns/<int:pk>/rounds/", campaigns.rounds, name="campaign_rounds"),
    path("campaigns/<int:pk>/rounds/new/", campaigns.begin, name="begin"),
    path("label/<int:pk>/chat/", chats.chat, name="chat"),
    path("label/<int:pk>/chat/say/", chats.say, name="chat_say"),
    path("label/chats/<int:pk>/end/", chats.end, name="chat_end"),
    path("label/chat-turns/<int:pk>/stream/", chats.stream, name="chat_stream"),
    path("label/chat-turns/<int:pk>/judge/", chats.judge, name="chat_judge"),
    path("label/chat-turns/<int:pk>/again/", chats.again, name="chat_again"),
    path("label/chat-turns/<int:pk>/take-back/", chats.take_back, name="chat_take_back"),
]
