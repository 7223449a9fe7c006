import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _

from labeling import errors
from labeling.models import Prompt
from labeling.services.images import link_images, take_in_images

ROLES = {"system", "user", "assistant"}
LONGEST_MESSAGE = 50_000  # characters

Message = dict[str, Any]


def digest_of(messages: list[Message]) -> str:
    """The same conversation has the same digest, whoever sends it."""
    canonical = json.dumps(
        [_said(message) for message in messages],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _said(message: Message) -> dict[str, Any]:
    """What of a message makes it differ from others."""
    said = {"role": message["role"], "content": message["content"]}
    if message.get("images"):
        said["images"] = [[image["digest"], image["alt"]] for image in message["images"]]
    return said


def check_messages(messages: object, folder: Path | None = None) -> list[Message]:
    """A conversation that can be answered, or BadRow with what is wrong with it.

    Images that come with it are stored; relative paths begin at `folder`, where there is one.
    """
    return [_checked(message, folder) for message in check_words(messages)]


def check_words(messages: object) -> list[Message]:
    """The same conversation, when it can be answered; nothing is stored, images are not looked at.

    Raises:
        BadRow: with what is wrong.
    """
    if not isinstance(messages, list) or not messages:
        raise errors.BadRow(_("The prompt needs at least one message."))
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise errors.BadRow(_("Each message needs a role: system, user or assistant."))
        content = message.get("content")
        if not isinstance(content, str) or not content.strip():
            raise errors.BadRow(_("A message of the prompt is empty."))
        if len(content) > LONGEST_MESSAGE:
            raise errors.BadRow(
                _("A message is longer than %(most)s characters.")
                % {"most": intcomma(LONGEST_MESSAGE)}
            )
        if "\x00" in content:
            raise errors.BadRow(_("A message holds a NUL character, which no text may."))
    if messages[-1]["role"] != "user":
        raise errors.BadRow(_("The last message of the prompt must be the user's."))
    return messages


def _checked(message: Message, folder: Path | None) -> Message:
    checked = {"role": message["role"], "content": message["content"]}
    if message.get("images"):
        if message["role"] != "user":
            raise errors.BadRow(_("Only the user's messages may carry images."))
        checked["images"] = take_in_images(message["images"], folder)
    return checked


def store_prompts(rows: Iterable[tuple[list[Message], str]]) -> list[Prompt]:
    """The prompt of each (messages, category), made where it does not exist yet."""
    each = [(digest_of(messages), messages, category) for messages, category in rows]
    wanted = {digest: (messages, category) for digest, messages, category in each}
    Prompt.objects.bulk_create(
        [
            Prompt(messages=messages, category=category, digest=digest)
            for digest, (messages, category) in wanted.items()
        ],
        ignore_conflicts=True,  # someone else may store the same prompt at this moment
    )
    stored = Prompt.objects.in_bulk(list(wanted), field_name="digest")
    link_images(stored.values())
    return [stored[digest] for digest, _messages, _category in each]
