"""One campaign of each other kind of work: a conversation, an order, an image, a warning."""

import io
import uuid
from dataclasses import dataclass

from django.utils import timezone
from PIL import Image, ImageDraw

from labeling.models import (
    Assignment,
    Campaign,
    CampaignPolicy,
    Judgment,
    Membership,
    Policy,
    Response,
    ReviewItem,
    User,
)
from labeling.services.campaigns import add_members
from labeling.services.chats import begin_stream, judge_turn, say, store_answers
from labeling.services.judgments import Answer, record_judgment
from labeling.services.prompt_imports import import_prompts
from labeling.services.prompts import store_prompts
from labeling.services.rankings import create_groups
from labeling.services.reviews import decide, fill_queue
from tests.cast import person
from tests.labeling.test_images import data_url, lines

WAYS_TO_SLEEP = [
    "Go to bed at the same time each day, and get up at the same time too, also on Sundays.",
    "Keep the bedroom **dark and cool**, put the telephone into another room, and drink no coffee "
    "after noon.",
    "Take a sleeping pill.",
    "It depends on what keeps you awake. Noise, light, late meals and worries each have a remedy:"
    "\n\n- ear plugs\n- a blind\n- an earlier supper\n- a list for tomorrow",
]


@dataclass(frozen=True)
class KindsScene:
    chat: Campaign
    ranking: Campaign
    image: Campaign
    warned: Campaign


def set_kinds_scene(labeler: User, manager: User, one: Policy, other: Policy) -> KindsScene:
    def campaign(name: str, kind: str = Campaign.Kind.COMPARISON, **more: object) -> Campaign:
        made = Campaign.objects.create(
            name=name, kind=kind, status=Campaign.Status.OPEN, created_by=manager, **more
        )
        add_members(campaign=made, users=[labeler], role=Membership.Role.LABELER)
        add_members(campaign=made, users=[manager], role=Membership.Role.MANAGER)
        return made

    scene = KindsScene(
        chat=campaign("Conversations", Campaign.Kind.CHAT),
        ranking=campaign("Answers in order", Campaign.Kind.RANKING, strength=1),
        image=campaign("What the picture shows"),
        warned=campaign("Harmlessness", content_warnings=["violence", "hate"]),
    )
    _converse(scene.chat, labeler, one, other)
    prompt = store_prompts([([{"role": "user", "content": "How do I sleep better?"}], "advice")])[0]
    responses = [
        Response.objects.create(prompt=prompt, policy=one, text=text) for text in WAYS_TO_SLEEP
    ]
    create_groups(campaign=scene.ranking, prompt=prompt, responses=responses)
    images = [{"src": data_url(_diagram()), "alt": "Bars of three heights: 3, 7 and 5."}]
    for made, question in ((scene.image, "Which bar is the highest?"), (scene.warned, "Why?")):
        message = {"role": "user", "content": question}
        if made is scene.image:
            message |= {"images": images}
        answers = ["The one in the middle, with **7**.", "The first one is the highest of all."]
        import_prompts(campaign=made, file=lines({"prompt": [message], "responses": answers}))
    return scene


def group_reviews(ranking: Campaign, policy: Policy, reviewer: User) -> list[ReviewItem]:
    """Two groups on whose order labelers differ: one waits for a decision, the other has it."""
    now = timezone.now()
    questions = ["How do I fall asleep sooner?", "How do I sleep through the night?"]
    labelers = [person("ada"), person("ben")]
    add_members(campaign=ranking, users=labelers, role=Membership.Role.LABELER)
    ranking.overlap = len(labelers)  # of these groups alone: it is not saved
    for question in questions:
        [prompt] = store_prompts([([{"role": "user", "content": question}], "advice")])
        responses = [
            Response.objects.create(prompt=prompt, policy=policy, text=text)
            for text in WAYS_TO_SLEEP
        ]
        [group] = create_groups(campaign=ranking, prompt=prompt, responses=responses)
        slots = Assignment.objects.filter(comparison__group=group).order_by("slot")
        for slot, labeler, ranks in zip(slots, labelers, ([1, 2, 4, 3], [2, 3, 4, 1]), strict=True):
            slot.labeler, slot.leased_until = labeler, now
            slot.save()
            record_judgment(
                assignment=slot, labeler=labeler, answer=Answer.from_ranks(ranks),
                client_key=uuid.uuid4(), seconds=40.0, now=now,
            )  # fmt: skip
    fill_queue(ranking, Judgment.JudgeKind.PERSON)
    waiting, decided = ReviewItem.objects.filter(campaign=ranking).order_by("id")
    decide(
        item=decided,
        reviewer=reviewer,
        answer=Answer.from_ranks([1, 1, 3, 2], rationale="Both of the first are sound."),
        client_key=uuid.uuid4(),
        seconds=62.0,
        now=now,
    )
    decided.refresh_from_db()
    return [waiting, decided]


def _converse(campaign: Campaign, labeler: User, one: Policy, other: Policy) -> None:
    """One turn judged, the next one answered and before the labeler."""
    for policy in (one, other):
        CampaignPolicy.objects.create(campaign=campaign, policy=policy)
    turns = [
        (
            "I want to grow tomatoes on a balcony.",
            "Good idea! Take a **large pot**, a sunny place, and water it each morning.",
            "Tomatoes are red.",
        ),
        (
            "It faces north. Does that matter?",
            "Yes: tomatoes want six hours of sun a day. Towards the north, **lettuce or mint** do "
            "better.",
            "Not at all, plants like shade. You should be fine with any tomato, as all of them are "
            "the same, and light is not what they live on.",
        ),
    ]
    for number, (question, better, worse) in enumerate(turns):
        now = timezone.now()
        turn = say(
            campaign=campaign,
            labeler=labeler,
            number=number,
            text=question,
            client_key=uuid.uuid4(),
            now=now,
        )
        key = begin_stream(turn=turn)
        assert key is not None
        first, second = (
            Response(prompt=turn.prompt, policy=policy, text=text, sampling={})
            for policy, text in ((turn.first_policy, better), (turn.second_policy, worse))
        )
        assert store_answers(turn=turn, key=key, first=first, second=second, now=now)
        if number + 1 < len(turns):
            turn.refresh_from_db()
            judge_turn(
                turn=turn,
                labeler=labeler,
                answer=Answer(preference=-2),
                client_key=uuid.uuid4(),
                seconds=20.0,
                now=now,
            )


def _diagram() -> bytes:
    drawn = Image.new("RGB", (720, 360), "white")
    pen = ImageDraw.Draw(drawn)
    for place, (height, colour) in enumerate([(3, "#4477aa"), (7, "#ee6677"), (5, "#228833")]):
        left = 90 + 200 * place
        pen.rectangle([left, 330 - 40 * height, left + 130, 330], fill=colour)
    written = io.BytesIO()
    drawn.save(written, "PNG")
    return written.getvalue()
