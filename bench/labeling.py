"""How fast labelers get their next pair, on a real server with a full database.

Starts PostgreSQL and gunicorn as the product does, in a folder of their own; fills the database
by SQL; then lets labelers work over HTTP, first without a pause, then at a person's pace. Client,
server and database share this machine, so its figures are lower bounds.
"""

import argparse
import asyncio
import configparser
import json
import os
import platform
import random
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from config import embedded
from config.run import free_port

ROOT = Path(__file__).resolve().parent.parent
OVERLAP = 3
PERSON = 30.0  # seconds a person thinks about one pair
HURRY = 15.0  # seconds in which everybody answers without thinking
CLAIMS = 25  # whose median is told
FIRST_LOADS = 5  # whose median is told; each with an empty cache
BETWEEN_SWAPS = 1200  # milliseconds: faster than anybody reads, slow enough to read ahead
FIELD = re.compile(r'name="(client_key|csrfmiddlewaretoken)"[^>]*value="([^"]+)"')
ACTION = re.compile(r'<form class="pair"[^>]*action="([^"]+)"', re.DOTALL)

# Keys and triggers rest meanwhile: the rows are right by construction, and filling takes seconds.
FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO labeling_prompt (id, messages, category, digest, created_at)
SELECT %(base)s + n, jsonb_build_array(jsonb_build_object('role', 'user', 'content',
           'Question ' || n || ': ' || repeat('why is that so? ', 12))),
       'bench', md5((%(base)s + n)::text) || md5((%(base)s + n)::text || 'b'), now()
FROM generate_series(1, %(pairs)s) n;
INSERT INTO labeling_response
       (id, prompt_id, policy_id, text, sampling, finish_reason, created_at)
SELECT 2 * (%(base)s + n) - side, %(base)s + n, %(policy)s,
       'Answer ' || side || ' to **' || n || '**' || E'.\n\n- ' ||
           repeat(md5(n::text) || ' and so on. ', 18), '{}', 'stop', now()
FROM generate_series(1, %(pairs)s) n, generate_series(0, 1) side;
INSERT INTO labeling_comparison (id, campaign_id, prompt_id, first_id, second_id, created_at)
SELECT %(base)s + n, %(campaign)s, %(base)s + n, 2 * (%(base)s + n), 2 * (%(base)s + n) - 1, now()
FROM generate_series(1, %(pairs)s) n;
INSERT INTO labeling_assignment (id, comparison_id, campaign_id, slot, purpose, first_on_left,
       labeler_id, leased_until, answered_at)
SELECT %(overlap)s * (%(base)s + n - 1) + slot + 1, %(base)s + n, %(campaign)s, slot, 'data',
       (n + slot) %% 2 = 0,
       CASE WHEN answered THEN (%(labelers)s)[1 + (n + slot) %% cardinality(%(labelers)s)] END,
       CASE WHEN answered THEN now() END, CASE WHEN answered THEN now() END
FROM generate_series(1, %(pairs)s) n, generate_series(0, %(overlap)s - 1) slot,
     LATERAL (SELECT n <= %(done)s AND slot < %(opinions)s AS answered) a;
INSERT INTO labeling_judgment (comparison_id, judge_kind, annotator, purpose, assignment_id,
       labeler_id, preference, equal, aspects, rationale, flags, client_key, retracted, created_at)
SELECT comparison_id, 'person', '', 'data', id, labeler_id, 1, '', '{}', '', '{}',
       gen_random_uuid(), false, now()
FROM labeling_assignment WHERE answered_at IS NOT NULL
     AND comparison_id > %(base)s AND comparison_id <= %(base)s + %(pairs)s;
"""
# When a key was pressed, when the next pair stood in its place, and when that had been painted.
WATCH = """
window.swaps = [];
let swap = null;
addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  swap = { pressed: event.timeStamp, frames: 0 };
  const mine = swap;
  requestAnimationFrame(function count() {
    mine.frames += 1;
    if (!mine.placed) requestAnimationFrame(count);
  });
}, { capture: true });
new MutationObserver((changes) => {
  const came = changes.some(({ addedNodes }) => [...addedNodes].some((node) => node.id === "pair"));
  if (!came || !swap || swap.placed) return;
  const mine = swap;
  mine.placed = performance.now();
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      mine.painted = performance.now();
      swaps.push(mine);
    };
    port2.postMessage("");
  });
}).observe(document, { childList: true, subtree: true });
"""
SEQUENCES = ("prompt", "response", "comparison", "assignment")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench labeling", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--done", type=float, default=0.5, help="share answered before")
    parser.add_argument("--labelers", type=int, default=50)
    parser.add_argument("--pace", type=float, default=1, help="times a person's, who takes 30 s")
    parser.add_argument("--seconds", type=float, default=60, help="of answering at that pace")
    parser.add_argument("--swaps", type=int, default=30, help="answers given in Chromium")
    parser.add_argument("--situations", nargs="+", choices=SITUATIONS, help="claims: only these")
    parser.add_argument("--claims-only", action="store_true", help="without HTTP")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="accord-bench-") as folder, database(Path(folder)):
        report = measured(asked)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load": round(os.getloadavg()[0], 1),
        "command": " ".join(["python -m bench labeling", *sys.argv[1:]]),
    }
    report["claims"] = []
    for pairs in asked.pairs:
        report["claims"] += claims(pairs, asked.labelers, asked.situations or list(SITUATIONS))
    show("Claiming alone: median of PostgreSQL's own time, ms", report["claims"])
    if not asked.claims_only:
        report["http"] = [over_http(asked, pairs) for pairs in asked.pairs]
        show("Answer and get the next pair, over HTTP", report["http"])
    return report


def show(title: str, rows: list[dict[str, Any]]) -> None:
    widths = [max(len(name), *(len(f"{row[name]}") for row in rows)) for name in rows[0]]
    print(f"\n{title}")
    for line in (list(rows[0]), *(list(row.values()) for row in rows)):
        cells = (f"{cell!s:>{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells), flush=True)
    print()


# The database ------------------------------------------------------------------------------------


@contextmanager
def database(folder: Path) -> Iterator[None]:
    """A new PostgreSQL with the product's tables; Django is set up on it."""
    (folder / "var").mkdir(exist_ok=True)
    port = free_port(8000)
    os.environ |= {
        "ACCORD_VAR": str(folder / "var"),
        "ACCORD_PYTHON": sys.executable,
        "ACCORD_BIND": f"127.0.0.1:{port}",
        "HTTP_ADDRESS": f"127.0.0.1:{port}",
        "BROKER_URL": "redis://127.0.0.1:9/0",  # nothing here queues anything
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # rows are counted while Playwright's loop runs
    }
    server = embedded.start_postgres(folder / "postgres")
    os.environ["DATABASE_URL"] = server.get_uri(embedded.DATABASE)
    try:
        import django
        from django.core.management import call_command
        from django.db import connection

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        yield
        connection.close()
    finally:
        embedded.stop_postgres(server)


def emptied() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE labeling_prompt, labeling_campaign, labeling_policy CASCADE")


def people(count: int) -> list[Any]:
    from labeling.models import User

    names = [f"labeler-{n}" for n in range(count)]
    known = User.objects.in_bulk(names, field_name="username")
    return [known.get(name) or User.objects.create_user(name) for name in names]


def campaign_of(labelers: list[Any], name: str = "Bench") -> Any:
    from labeling.models import Campaign, Membership
    from labeling.services.campaigns import add_members

    made = Campaign.objects.create(name=name, status=Campaign.Status.OPEN, overlap=OVERLAP)
    add_members(campaign=made, users=labelers, role=Membership.Role.LABELER)
    return made


def fill(
    campaign: Any, pairs: int, done: int, labelers: list[Any], opinions: int = OVERLAP
) -> None:
    """Put so many pairs into a campaign; the first `done` have so many opinions each."""
    from django.db import connection, transaction

    from labeling.models import Comparison, Policy

    policy, _ = Policy.objects.get_or_create(name="bench", version=0)
    last = Comparison.objects.order_by("-id").values_list("id", flat=True).first()
    values = {
        "base": last or 0,
        "pairs": pairs,
        "done": done,
        "policy": policy.pk,
        "campaign": campaign.pk,
        "overlap": OVERLAP,
        "opinions": opinions,
        "labelers": [labeler.pk for labeler in labelers],
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FILL, values)
        cursor.execute("SELECT labeling_tally_rebuild(), labeling_comparisontally_rebuild()")
    with connection.cursor() as cursor:
        for table in SEQUENCES:
            name = f"labeling_{table}"
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}"  # noqa: S608
            )
        cursor.execute("VACUUM ANALYZE")


# Claiming alone ----------------------------------------------------------------------------------


def claims(pairs: int, count: int, situations: Sequence[str]) -> list[dict[str, Any]]:
    """What one claim costs the database, by what was done before."""
    labelers = people(count)
    rows = []
    for situation in situations:
        emptied()
        campaign = SITUATIONS[situation](pairs, labelers)
        rows.append({"pairs": pairs, "before": situation, **claim_time(campaign, labelers[0])})
    return rows


def answered(share: float, pairs: int, labelers: list[Any]) -> Any:
    """A campaign in which this share of the pairs has all its answers."""
    campaign = campaign_of(labelers)
    fill(campaign, pairs, int(pairs * share), labelers)
    return campaign


def beside_another(pairs: int, labelers: list[Any]) -> Any:
    """A small campaign; another one, begun before, has all its slots open."""
    fill(campaign_of(labelers, "Begun before"), pairs, 0, labelers)
    campaign = campaign_of(labelers)
    fill(campaign, 100, 0, labelers)
    return campaign


def half_by_one(pairs: int, labelers: list[Any]) -> Any:
    """A campaign in which the one who asks has answered half of the pairs, and nobody else any."""
    campaign = campaign_of(labelers)
    fill(campaign, pairs, pairs // 2, labelers[:1], opinions=1)
    return campaign


SITUATIONS: dict[str, Callable[[int, list[Any]], Any]] = {
    "0% answered": partial(answered, 0.0),
    "50% answered": partial(answered, 0.5),
    "90% answered": partial(answered, 0.9),
    "another campaign is open": beside_another,
    "this labeler answered half": half_by_one,
}


def claim_time(campaign: Any, labeler: Any) -> dict[str, float]:
    """The whole service, and its slowest query as EXPLAIN ANALYZE times it."""
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from labeling.services.assignments import claim_next

    whole, slowest = [], []
    for _ in range(CLAIMS):
        now = timezone.now()
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            started = time.perf_counter()
            assert claim_next(labeler=labeler, campaign=campaign, now=now) is not None
            whole.append(1000 * (time.perf_counter() - started))
            transaction.set_rollback(True)
        asked = [q["sql"] for q in queries if q["sql"].startswith("SELECT")]
        with transaction.atomic(), connection.cursor() as cursor:
            times = []
            for sql in asked:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
                times.append(cursor.fetchone()[0][0]["Execution Time"])
            slowest.append(max(times))
            transaction.set_rollback(True)
    return {
        "slowest query": round(statistics.median(slowest), 2),
        "whole claim": round(statistics.median(whole), 2),
    }


# Over HTTP ---------------------------------------------------------------------------------------


@contextmanager
def web() -> Iterator[str]:
    """The server that deploy/supervisord.conf starts; yields its address."""
    conf = configparser.RawConfigParser()
    conf.read(ROOT / "deploy" / "supervisord.conf")
    command = re.sub(r"%\(ENV_(\w+)\)s", lambda m: os.environ[m[1]], conf["program:web"]["command"])
    url = f"http://{os.environ['ACCORD_BIND']}"
    log = (Path(os.environ["ACCORD_VAR"]) / "web.log").open("w")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        shlex.split(command), cwd=ROOT, env=environment, stdout=log, stderr=log
    )
    try:
        for _ in range(300):
            with suppress(httpx.TransportError):
                httpx.get(f"{url}/accounts/login/", timeout=2)
                break
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


def over_http(asked: argparse.Namespace, pairs: int) -> dict[str, Any]:
    from django.db import connection
    from django.test import Client

    from labeling.models import Judgment

    emptied()
    labelers = people(asked.labelers + 1)  # one of them in a browser
    campaign = campaign_of(labelers)
    fill(campaign, pairs, int(pairs * asked.done), labelers)
    cookies: list[str] = []
    for labeler in labelers:
        client = Client()
        client.force_login(labeler)
        cookies.append(client.cookies["sessionid"].value)
    before = Judgment.objects.count()
    *cookies, of_browser = cookies

    def stored() -> int:
        return Judgment.objects.count() - before

    with web() as url:
        page = f"{url}/label/{campaign.pk}/"
        weight = page_weight(page, of_browser)
        # First without a pause: afterwards every thread has its connection, as on a working day.
        hurried, seconds = asyncio.run(work(page, cookies, 0.0, HURRY))
        screen = on_screen(page, of_browser, asked.swaps, stored) if asked.swaps else {}
        paced, _ = asyncio.run(work(page, cookies, PERSON / asked.pace, asked.seconds))
    given = len(paced) + len(hurried) + asked.swaps
    assert stored() == given, f"{given} answers were given, {stored()} are stored"
    connection.close()
    return {
        "pairs": pairs,
        "done": asked.done,
        "labelers": asked.labelers,
        "think s": PERSON / asked.pace,
        "answers": len(paced),
        "p50 ms": round(1000 * statistics.median(paced)),
        "p95 ms": round(1000 * statistics.quantiles(paced, n=20)[-1]),
        "saturated answers/s": round(len(hurried) / seconds, 1),
        "first load kB": round(weight / 1000, 1),
        **screen,
    }


def page_weight(page: str, cookie: str) -> int:
    """Bytes of the page and all it names, as they go over the wire."""
    with httpx.Client(cookies={"sessionid": cookie}, headers={"Accept-Encoding": "gzip"}) as client:
        html = client.get(page)
        total = html.num_bytes_downloaded
        for address in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', html.text)):
            answer = client.get(str(html.url.join(address))).raise_for_status()
            total += answer.num_bytes_downloaded
    return total


def on_screen(page: str, cookie: str, count: int, stored: Callable[[], int]) -> dict[str, Any]:
    """What a labeler sees in Chromium: the first load, and each next pair after the key press.

    Stays until so many answers are stored, since answers leave in the background.
    """
    from playwright.sync_api import sync_playwright

    from tests.pages.chromium import ARGUMENTS, executable

    before = stored()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        everywhere = page[: page.index("/label/")]
        loads = []
        for _ in range(FIRST_LOADS):
            context = browser.new_context(bypass_csp=True)  # with an empty cache
            context.add_cookies([{"name": "sessionid", "value": cookie, "url": everywhere}])
            tab = context.new_page()
            tab.add_init_script(WATCH)
            tab.goto(page)
            loads.append(tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
        for number in range(count):
            tab.wait_for_function("document.querySelector('[data-outbox]').dataset.ready > 0")
            tab.wait_for_timeout(BETWEEN_SWAPS)
            tab.keyboard.press("1")
            tab.keyboard.press("Enter")
            tab.wait_for_function(f"swaps.length > {number}")
        swaps = tab.evaluate("swaps")
        while stored() < before + count:
            tab.wait_for_timeout(50)
        browser.close()
    painted = [swap["painted"] - swap["pressed"] for swap in swaps]
    return {
        "load ms": round(statistics.median(loads)),
        "frames to the next pair": round(statistics.median(swap["frames"] for swap in swaps)),
        "at most": max(swap["frames"] for swap in swaps),
        "painted p50 ms": round(statistics.median(painted)),
        "painted p95 ms": round(statistics.quantiles(painted, n=20)[-1]),
    }


async def work(
    page: str, cookies: list[str], think: float, seconds: float
) -> tuple[list[float], float]:
    """Let every labeler answer until time is up; how long each answer took, and all together."""
    times: list[float] = []
    started = time.perf_counter()
    until = started + seconds
    await asyncio.gather(*(label(page, cookie, think, until, times) for cookie in cookies))
    return times, time.perf_counter() - started


async def label(page: str, cookie: str, think: float, until: float, times: list[float]) -> None:
    """One labeler, as the page works where it holds no pair ahead: an answer brings the next pair.

    A browser shows pairs read ahead and does not wait for the server, so its user waits less.
    """
    chance = random.Random(cookie)
    options: dict[str, Any] = {"cookies": {"sessionid": cookie}}
    async with httpx.AsyncClient(timeout=60, **options) as client:
        await asyncio.sleep(chance.uniform(0, think))  # people do not start together
        html = (await client.get(page)).raise_for_status().text
        token = dict(FIELD.findall(html))["csrfmiddlewaretoken"]
        headers = {"X-CSRFToken": token, "Referer": page, "Accept": "application/json"}
        while (form := ACTION.search(html)) is not None:
            await asyncio.sleep(chance.uniform(0.5, 1.5) * think)
            if time.perf_counter() > until:
                return
            key = dict(FIELD.findall(html))["client_key"]
            data = {"answer": "1", "client_key": key, "next": "1"}
            started = time.perf_counter()
            address = httpx.URL(page).join(unescape(form[1]))
            answer = await client.post(address, data=data, headers=headers)
            if not answer.is_success:
                raise RuntimeError(f"{address} was refused: {answer.text[:500]}")
            times.append(time.perf_counter() - started)
            html = answer.json()["next"]


if __name__ == "__main__":
    main()
