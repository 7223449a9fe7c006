"""Simulated labelers: they read the page over HTTP and answer through its own form.

They rehearse the loop where no people are at hand. Their taste is simple and stated here; their
mistakes (noise) and their habit of taking the left side (position bias) are set by the caller.
Their accounts are marked as simulations, and the database keeps their judgments apart. No Django.
"""

import math
import random
import re
import uuid
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser

import httpx

FAVOURED_WORDS = 45  # length at which an answer is neither curt nor rambling
_WORD = re.compile(r"[^\W\d_]{2,}")
_ENDING = re.compile(r"[.!?:)\"'`*\]]\s*$")


def worth(question: str, answer: str) -> float:
    """How much this taste likes an answer: to the point, finished, not repeating itself.

    Each part lies in [0, 1] or [-1, 0], so that none outweighs the others.
    """
    words = [word.lower() for word in _WORD.findall(answer)]
    if not words:
        return -2.0
    asked = {word.lower() for word in _WORD.findall(question) if len(word) > 3}
    on_topic = len(asked & set(words)) / len(asked) if asked else 0.5
    finished = 1.0 if _ENDING.search(answer) else 0.0
    trigrams = Counter(zip(words, words[1:], words[2:], strict=False))
    repeated = 1 - len(trigrams) / max(1, sum(trigrams.values()))
    length = -abs(math.log(len(words) / FAVOURED_WORDS)) / 3
    return on_topic + finished - repeated + max(-1.0, length)


@dataclass(frozen=True)
class Taste:
    """How a simulated labeler decides between two answers."""

    noise: float = 0.1  # chance of an answer that has nothing to do with the texts
    left_bias: float = 0.0  # added to the worth of whatever stands on the left
    sharpness: float = 4.0  # how surely a difference in worth is seen; logistic
    tie_below: float = 0.02  # differences smaller than this are no difference

    def choose(self, question: str, left: str, right: str, chance: random.Random) -> str:
        """The answer as the form knows it: "-1" left, "1" right ... "-3" to "3", or "tie"."""
        if chance.random() < self.noise:
            return chance.choice(["-1", "1"])
        difference = worth(question, right) - worth(question, left) - self.left_bias
        if abs(difference) < self.tie_below:
            return "tie"
        right_wins = chance.random() < 1 / (1 + math.exp(-self.sharpness * difference))
        strength = 1 + (abs(difference) > 0.3) + (abs(difference) > 0.8)
        return str(strength if right_wins else -strength)


@dataclass(frozen=True)
class Page:
    """What a labeler sees: where to send the answer, the form's hidden fields, the texts."""

    action: str | None  # None when there is no pair to judge
    fields: dict[str, str]
    question: str
    left: str
    right: str
    asks: frozenset[str]  # answers that need a reason
    begin: str | None  # where to say that the campaign's warning is read


class _PageReader(HTMLParser):
    """Collects the answer form and the rendered texts of the labeling page."""

    VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"}
    REGIONS = {"turn": "question", "on-left": "left", "on-right": "right"}

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.begin: str | None = None
        self.fields: dict[str, str] = {}
        self.asks: set[str] = set()
        self.texts: dict[str, list[str]] = {"question": [], "left": [], "right": []}
        # Open elements: the tag, the region it lies in, and whether it is within a text.
        self._open: list[tuple[str, str | None, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form" and "/label/answers/" in (found.get("action") or ""):
            self.action = found["action"]
        if tag == "form" and (found.get("action") or "").endswith("/begin/"):
            self.begin = found["action"]
        if tag == "input" and found.get("type") == "hidden" and found.get("name"):
            self.fields[str(found["name"])] = found.get("value") or ""
        if tag == "input" and found.get("name") == "answer" and "data-asks" in found:
            self.asks.add(found.get("value") or "")
        if tag in self.VOID:
            return
        _, region, within = self._open[-1] if self._open else ("", None, False)
        classes = (found.get("class") or "").split()
        for name in classes:
            region = self.REGIONS.get(name, region)
        self._open.append((tag, region, within or "prose" in classes))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            if self._open.pop()[0] == tag:
                return

    def handle_data(self, data: str) -> None:
        _, region, within = self._open[-1] if self._open else ("", None, False)
        if region and within:
            self.texts[region].append(data)


def read_page(html: str) -> Page:
    reader = _PageReader()
    reader.feed(html)
    question, left, right = (
        "".join(reader.texts[name]).strip() for name in ("question", "left", "right")
    )
    return Page(
        reader.action, reader.fields, question, left, right, frozenset(reader.asks), reader.begin
    )


def reason(page: Page) -> str:
    """Why, where a reason is required: what the taste saw in the two texts, noise aside."""
    left, right = worth(page.question, page.left), worth(page.question, page.right)
    return f"Simulated: worth {left:.2f} on the left and {right:.2f} on the right."


class SimulatedLabeler:
    """One labeler with a session of its own, as a browser has."""

    def __init__(
        self, address: str, name: str, password: str, taste: Taste, chance: random.Random
    ) -> None:
        self.address = address
        self.taste = taste
        self.chance = chance
        self._http = httpx.Client(base_url=address, follow_redirects=True, timeout=60)
        self._log_in(name, password)

    def _log_in(self, name: str, password: str) -> None:
        page = read_page(self._http.get("/accounts/login/").text)
        answer = self._http.post(
            "/accounts/login/",
            data={**page.fields, "username": name, "password": password},
            headers={"Referer": self.address},
        )
        answer.raise_for_status()
        if answer.url.path.startswith("/accounts/login"):
            raise PermissionError(f"The simulated labeler {name} could not log in.")

    def label(self, campaign: int) -> int:
        """Judge pairs of a campaign until none is left; returns how many."""
        judged = 0
        page = read_page(self._http.get(f"/label/{campaign}/").raise_for_status().text)
        if page.begin:
            page = read_page(self._send(page.begin, page.fields))
        while page.action:
            page = read_page(self._judge(page))
            judged += 1
        return judged

    def _judge(self, page: Page) -> str:
        """Send one answer as the form does without JavaScript; the reply is the next page."""
        chosen = self.taste.choose(page.question, page.left, page.right, self.chance)
        return self._send(
            str(page.action),
            {
                **page.fields,
                "answer": chosen,
                "rationale": reason(page) if chosen in page.asks else "",
                "client_key": str(uuid.uuid4()),
                "seconds": f"{self.chance.uniform(4, 40):.1f}",
            },
        )

    def _send(self, address: str, fields: dict[str, str]) -> str:
        answer = self._http.post(address, data=fields, headers={"Referer": self.address})
        return answer.raise_for_status().text
