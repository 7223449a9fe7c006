"""Sentences that the server says by itself, stored now and read later by people of many languages.

What is stored is English, as the audit log, the API and files have it. A page recognises the
sentence and says it in its reader's language. Where a person's own words follow, or where the
sentence is worded differently by now, those words are shown as they are.
"""

import re
from collections.abc import Iterator

from django.utils.translation import gettext, gettext_noop

PLACEHOLDER = re.compile(r"%\((\w+)\)s")

_known: list["Saying"] = []


class Saying:
    """One such sentence, with places for what differs each time.

    Those of an app stand in its module `sayings`, which is loaded when the server starts.
    """

    def __init__(self, english: str) -> None:
        """Let pages recognise a sentence from now on.

        Args:
            english: named in gettext_noop, so that it is translated; each place is %(name)s.
        """
        self.english = english
        parts = PLACEHOLDER.split(english)  # words, name, words, name, ..., words
        words = [re.escape(part.replace("%%", "%")) for part in parts[::2]]
        names = [f"(?P<{name}>.+?)" for name in parts[1::2]]
        places = [*names, r"(?:\s+|$)"]
        self._pattern = re.compile("".join(w + p for w, p in zip(words, places, strict=True)))
        _known.append(self)

    def __call__(self, **values: object) -> str:
        """The sentence in English, to be stored."""
        return self.english % {name: " ".join(str(each).split()) for name, each in values.items()}

    def heard(self, text: str) -> tuple[str, str] | None:
        """The sentence in the active language, and what follows it; None: text begins otherwise."""
        found = self._pattern.match(text)
        if found is None:
            return None
        return gettext(self.english) % found.groupdict(), text[found.end() :]


def said(text: str) -> str:
    """A stored text in the active language, as far as it consists of sayings."""
    return " ".join(_said(text))


def _said(text: str) -> Iterator[str]:
    while text:
        heard = next(filter(None, (saying.heard(text) for saying in _known)), None)
        if heard is None:
            yield text
            return
        sentence, text = heard
        yield sentence


# Of this app --------------------------------------------------------------------------------------

FIRST_PAIRS = Saying(gettext_noop("The first %(pairs)s pairs after the test."))
ON_PROBATION = Saying(
    gettext_noop("Agreed with gold in %(share)s of %(answers)s answers on probation.")
)
# Why an address can't be told of an event; each stands alone, and behind a colon.
NO_ADDRESS = Saying(gettext_noop("it is no address"))
NO_WEB_ADDRESS = Saying(gettext_noop("it must begin with https:// or http:// and name a host"))
HOLDS_PASSWORD = Saying(gettext_noop("it must not hold a user name or password"))
UNKNOWN_HOST = Saying(gettext_noop("the host %(host)s is not known"))
PRIVATE_HOST = Saying(
    gettext_noop("%(host)s lies in a private network; whoever runs this server can allow it")
)
NO_ANSWER = Saying(gettext_noop("no answer within %(seconds)s seconds"))
SWITCHED_OFF = Saying(gettext_noop("the webhook was switched off"))
