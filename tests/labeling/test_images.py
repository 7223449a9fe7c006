"""Images in prompts: pixels of our own encoding, for whoever may see the prompt."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from labeling import errors
from labeling.models import Assignment, CampaignPolicy, Image, Judgment, Prompt
from labeling.reading import pictures
from labeling.services.assignments import claim_next
from labeling.services.images import as_models_read, store_image
from labeling.services.imports import import_preferences
from labeling.services.prompt_imports import import_prompts
from labeling.services.prompts import check_messages, store_prompts
from rlhf.services.generations import generate_pending, request_responses
from tests.labeling.test_chats import NOW
from tests.rlhf.scripted_server import scripted_server


@pytest.fixture(autouse=True)
def _artifacts(settings, tmp_path):
    settings.ARTIFACTS_URL = f"file://{tmp_path}/artifacts"


def picture(colour="red", size=(40, 30), kind="PNG", **more) -> bytes:
    written = io.BytesIO()
    Pillow.new("RGB", size, colour).save(written, kind, **more)
    return written.getvalue()


def data_url(data: bytes, kind: str = "png") -> str:
    return pictures.to_data_url(data).replace("webp", kind)


def asking(source: str, alt: str = "A red field.", text: str = "Which colour is this?"):
    return [{"role": "user", "content": text, "images": [{"src": source, "alt": alt}]}]


def lines(*rows: dict) -> io.BytesIO:
    return io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())


@pytest.fixture
def red_pair(campaign):
    """One pair about a red picture, to be judged."""
    row = {"prompt": asking(data_url(picture())), "responses": ["Red.", "Blue."]}
    import_prompts(campaign=campaign, file=lines(row))
    return Assignment.objects.get()


# What becomes of a file --------------------------------------------------------------------------


def test_what_is_stored_holds_pixels_and_nothing_that_came_with_them():
    notes = PngInfo()
    notes.add_text("comment", "<script>alert(1)</script>")
    dirty = picture(pnginfo=notes) + b"<script>after the end</script>"
    clean = pictures.encoded(dirty)
    assert b"script" in dirty
    assert b"script" not in clean.data
    with Pillow.open(io.BytesIO(clean.data)) as opened:
        assert (opened.format, opened.size) == ("WEBP", (40, 30))
        assert opened.getpixel((5, 5))[0] > 200
        assert not opened.getexif()


def test_a_photograph_is_turned_upright_and_loses_where_it_was_taken():
    exif = Pillow.Exif()
    exif[0x0112] = 6  # a quarter turn
    exif[0x010F] = "a camera"
    clean = pictures.encoded(picture(kind="JPEG", exif=exif))
    assert (clean.width, clean.height) == (30, 40)
    assert b"a camera" not in clean.data


def test_a_large_picture_is_made_as_large_as_it_is_shown():
    clean = pictures.encoded(picture(size=(5000, 100)))
    assert (clean.width, clean.height) == (pictures.LONGEST_SIDE, 41)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"GIF89a<script>alert(1)</script>",
        picture()[:60],
        picture(kind="BMP"),
        b"\x00" * (pictures.MOST_BYTES + 1),
        picture(size=(9000, 9000)),
    ],
    ids=["nothing", "svg", "script", "cut", "bmp", "too many bytes", "too many pixels"],
)
def test_what_is_no_picture_or_too_large_a_one_is_refused(data):
    with pytest.raises(pictures.BadPicture):
        pictures.encoded(data)


@pytest.mark.django_db
def test_the_same_picture_is_kept_once():
    assert store_image(picture()) == store_image(picture())
    assert store_image(picture("blue")) != store_image(picture())
    assert Image.objects.count() == 2


# Importing ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_prompt_with_an_image_is_another_prompt_than_without_or_with_another():
    plain = [{"role": "user", "content": "Which colour is this?"}]
    red, blue = (check_messages(asking(data_url(picture(c)))) for c in ("red", "blue"))
    prompts = store_prompts([(messages, "") for messages in (plain, red, blue)])
    assert len({prompt.pk for prompt in prompts}) == 3
    assert [prompt.images.count() for prompt in prompts] == [0, 1, 1]
    assert store_prompts([(red, "")])[0] == prompts[1]


def test_preferences_bring_images_by_relative_path_or_data_address(campaign, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "red.png").write_bytes(picture())
    file = tmp_path / "preferences.jsonl"
    both = [asking("pictures/red.png"), asking(data_url(picture("blue")), "A blue field.")]
    file.write_bytes(
        lines(*({"prompt": p, "chosen": "Yes.", "rejected": "No."} for p in both)).read()
    )
    call_command("import_preferences", str(file), campaign="Helpfulness", stdout=io.StringIO())
    assert Judgment.objects.count() == Image.objects.count() == 2
    kept = Prompt.objects.order_by("id").first().messages[0]["images"][0]
    assert kept["alt"] == "A red field."
    assert (kept["width"], kept["height"]) == (40, 30)
    assert "src" not in kept


def test_prompts_with_two_responses_are_pairs_to_judge(campaign, alice, tmp_path):
    (tmp_path / "red.png").write_bytes(picture())
    file = tmp_path / "prompts.jsonl"
    rows = {"prompt": "Plain?"}, {"prompt": asking("red.png"), "responses": ["Red.", "Blue."]}
    file.write_bytes(lines(*rows).read())
    for _ in range(2):  # the second time adds nothing
        call_command("import_prompts", str(file), campaign="Helpfulness", stdout=io.StringIO())
    assert campaign.prompts.count() == 2
    taken = claim_next(labeler=alice, campaign=campaign, now=NOW)
    assert {taken.left.text, taken.right.text} == {"Red.", "Blue."}
    assert Assignment.objects.count() == 1


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ("red.png", '"images" must be a list'),
        ([{"alt": "Red."}], 'Each image needs a "src"'),
        ([{"src": "red.png"}], 'Each image needs an "alt"'),
        ([{"src": "red.png", "alt": "  "}], 'Each image needs an "alt"'),
        ([{"src": "red.png", "alt": "x" * 501}], "longer than 500 characters"),
        ([{"src": "https://evil.example/a.png", "alt": "A."}], "never fetched from the network"),
        ([{"src": "//evil.example/a.png", "alt": "A."}], "leads out of the folder"),
        ([{"src": "../secret.png", "alt": "A."}], "leads out of the folder"),
        ([{"src": "/etc/passwd", "alt": "A."}], "leads out of the folder"),
        ([{"src": "link.png", "alt": "A."}], "leads out of the folder"),
        ([{"src": "absent.png", "alt": "A."}], "can't be read"),
        ([{"src": "notes.txt", "alt": "A."}], "must be a whole PNG, JPEG, WebP or GIF"),
        ([{"src": "data:image/png;base64,%%", "alt": "A."}], "is damaged"),
        ([{"src": "data:text/html,<script>", "alt": "A."}], "must be data:image/"),
        ([{"src": "red.png", "alt": "A."}] * 9, "up to 8 images"),
    ],
)
def test_images_that_can_not_be_taken_in_are_refused_in_a_sentence(
    campaign, tmp_path, images, sentence
):
    folder = tmp_path / "given"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(picture())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "red.png").write_bytes(picture())
    row = {"prompt": [{"role": "user", "content": "What?", "images": images}]}
    with pytest.raises(errors.BadRow) as refusal:
        import_prompts(campaign=campaign, file=lines(row), folder=folder)
    assert sentence in str(refusal.value)
    assert str(refusal.value).startswith("Line 1, field “images”:")
    assert not Prompt.objects.exists()


def test_an_uploaded_file_can_not_name_files_of_the_server(campaign):
    row = {"prompt": asking("red.png"), "chosen": "Yes.", "rejected": "No."}
    with pytest.raises(errors.BadRow, match="give its images as data: addresses"):
        import_preferences(campaign=campaign, file=lines(row), name="x", by=None, now=NOW)


def test_an_assistant_shows_no_images(campaign):
    messages = [
        {"role": "assistant", "content": "Look.", "images": [{"src": "a.png", "alt": "A."}]},
        {"role": "user", "content": "At what?"},
    ]
    with pytest.raises(errors.BadRow, match="Only the user's messages"):
        import_prompts(campaign=campaign, file=lines({"prompt": messages}))


@pytest.mark.parametrize(
    "row", [{}, {"prompt": "Hm?", "responses": ["one"]}, {"prompt": "Hm?", "category": 3}, []]
)
def test_a_line_that_is_no_prompt_is_refused_with_its_number(campaign, row):
    with pytest.raises(errors.BadRow, match=r"Line 2[,:]"):
        import_prompts(campaign=campaign, file=lines({"prompt": "Good?"}, row))
    assert not Prompt.objects.exists()
    with pytest.raises(errors.BadRow, match="no prompt"):
        import_prompts(campaign=campaign, file=lines())


def test_a_file_that_is_not_there_is_named(campaign):
    with pytest.raises(CommandError, match=r"absent\.jsonl can't be read"):
        call_command("import_prompts", "absent.jsonl", campaign="Helpfulness")


# Showing -----------------------------------------------------------------------------------------


def test_an_image_comes_from_our_own_address_with_its_words(client, alice, campaign, red_pair):
    client.force_login(alice)
    page = client.get(reverse("labeling:work", args=[campaign.pk])).content.decode()
    address = reverse("labeling:image", args=[Image.objects.get().digest])
    assert f'<img src="{address}" alt="A red field." width="40" height="30"' in page
    answer = client.get(address)
    assert answer["Content-Type"] == "image/webp"
    assert "private" in answer["Cache-Control"]
    assert "immutable" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    with Pillow.open(io.BytesIO(b"".join(answer.streaming_content))) as opened:
        assert opened.size == (40, 30)


def test_nobody_else_sees_an_image(client, alice, mallory, erin, red_pair):
    address = reverse("labeling:image", args=[Image.objects.get().digest])
    assert client.get(address).status_code == 302
    client.force_login(mallory)
    assert client.get(address).status_code == 404
    client.force_login(erin)
    assert client.get(address).status_code == 200
    assert client.get(reverse("labeling:image", args=["0" * 64])).status_code == 404


def test_words_of_an_image_are_words_and_no_markup(client, alice, campaign):
    alt = '"><script>alert(1)</script>'
    row = {"prompt": asking(data_url(picture()), alt), "responses": ["Red.", "Blue."]}
    import_prompts(campaign=campaign, file=lines(row))
    client.force_login(alice)
    page = client.get(reverse("labeling:work", args=[campaign.pk])).content.decode()
    assert "<script>alert" not in page


# Asking models -----------------------------------------------------------------------------------


def test_a_model_is_asked_with_the_image_itself(campaign, policy, red_pair, settings):
    asked = []

    def script(body):
        asked.append(body["messages"][0]["content"])
        return f"Red, {body['seed']}."

    CampaignPolicy.objects.create(campaign=campaign, policy=policy)
    request_responses(campaign=campaign, prompts=[red_pair.comparison.prompt])
    with scripted_server([policy.slug], script) as url:
        settings.VLLM_BASE_URLS = [url]
        assert generate_pending(now=NOW) == 2
    shown, said = asked[0]
    assert shown["image_url"]["url"].startswith("data:image/webp;base64,")
    assert pictures.encoded(pictures.from_data_url(shown["image_url"]["url"])).width == 40
    assert said == {"type": "text", "text": "Which colour is this?"}
    plain = [{"role": "user", "content": "Plain?"}]
    assert as_models_read(plain) == plain
