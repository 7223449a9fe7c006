"""How fast the manager's pages are with very many judgments, and what their slowest query does.

Starts PostgreSQL and gunicorn as the product does, in a folder of their own; fills the database
by SQL with invented judgments; computes the reports as a worker would; then asks for each page
over HTTP, one request after the other. Client, server and database share this machine.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from bench.labeling import database, people, show, web

OVERLAP = 3
LIMIT = 200  # ms, of every page
GOLD = 200  # questions with a known answer, each answered by every labeler
DAYS = 60  # over which the judgments are spread
# Keys and triggers rest meanwhile: the rows are right by construction, and tallies are made anew.
# Each labeler errs in so many answers; who is better hangs on the policies, 0 the worst.
FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO labeling_prompt (id, messages, category, digest, created_at)
SELECT n, jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Question ' || n || '?')),
       (ARRAY['facts', 'advice', 'code', 'maths', 'poems', 'history', 'law', ''])[1 + n %% 8],
       md5(n::text) || md5(n::text || 'b'), now()
FROM generate_series(1, %(pairs)s) n;
INSERT INTO labeling_response
       (id, prompt_id, policy_id, text, sampling, finish_reason, created_at)
SELECT 2 * n - side, n, (%(policies)s)[1 + (n + side * (1 + n %% 4)) %% 5],
       'Answer ' || side || ' to ' || n || repeat(' and so on', 1 + (n * (side + 3)) %% 9), '{}',
       'stop', now()
FROM generate_series(1, %(pairs)s) n, generate_series(0, 1) side;
INSERT INTO labeling_comparison (id, campaign_id, prompt_id, first_id, second_id, created_at)
SELECT n, %(campaign)s, n, 2 * n, 2 * n - 1, now() FROM generate_series(1, %(pairs)s) n;
INSERT INTO labeling_assignment (id, comparison_id, slot, first_on_left, labeler_id, leased_until,
       answered_at, campaign_id, price, purpose)
SELECT row_number() OVER (ORDER BY n, slot), n, slot, (n + slot) %% 2 = 0,
       CASE WHEN done THEN (%(labelers)s)[1 + (n * 7 + slot * 13) %% cardinality(%(labelers)s)] END,
       CASE WHEN done THEN at END, CASE WHEN done THEN at END, %(campaign)s,
       CASE WHEN done THEN 0.25 END, CASE WHEN n <= %(gold)s THEN 'gold' ELSE 'data' END
FROM generate_series(1, %(pairs)s) n,
     LATERAL (SELECT CASE WHEN n <= %(gold)s THEN cardinality(%(labelers)s) ELSE %(overlap)s END
              AS slots) s,
     generate_series(0, slots - 1) slot, LATERAL (SELECT n <= %(done)s AS done,
                     now() - %(days)s * (1 - n::float / %(pairs)s) * interval '1 day' AS at) a;
INSERT INTO labeling_judgment (comparison_id, judge_kind, assignment_id, labeler_id, preference,
       equal, aspects, rationale, annotator, flags, client_key, retracted, created_at, seconds,
       purpose)
SELECT a.comparison_id, 'person', a.id, a.labeler_id, p.preference,
       CASE WHEN p.preference = 0 THEN 'tie' ELSE '' END, '{}', '', '', '{}', gen_random_uuid(),
       false, a.answered_at, 5 + 40 * random(), a.purpose
FROM labeling_assignment a JOIN labeling_response f ON f.id = 2 * a.comparison_id
     JOIN labeling_response s ON s.id = 2 * a.comparison_id - 1,
     LATERAL (SELECT CASE WHEN random() + 0 * a.id < 0.1 THEN 0
                          WHEN (random() + 0 * a.id < 0.25) <> (f.policy_id > s.policy_id) THEN -1
                          ELSE 1 END * (1 + a.id %% 3) AS preference) p
WHERE a.answered_at IS NOT NULL;
INSERT INTO labeling_goldquestion (comparison_id, kind, "right", explanation, created_at)
SELECT n, 'silent', CASE WHEN n %% 2 = 0 THEN 'first' ELSE 'second' END, '', now()
FROM generate_series(1, %(gold)s) n;
INSERT INTO labeling_skip (assignment_id, comparison_id, labeler_id, reason, note, client_key,
       created_at)
SELECT id, comparison_id, (%(labelers)s)[1 + comparison_id * 11 %% cardinality(%(labelers)s)],
       'unclear', '', gen_random_uuid(), now()
FROM labeling_assignment WHERE slot = 0 AND comparison_id %% 97 = 0;
SELECT labeling_tally_rebuild();
SELECT labeling_comparisontally_rebuild();
"""
SEQUENCES = ("prompt", "response", "comparison", "assignment")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench dashboards", description=__doc__.splitlines()[0])
    parser.add_argument("--judgments", type=int, default=1_000_000)
    parser.add_argument("--done", type=float, default=0.9, help="share of the slots answered")
    parser.add_argument("--labelers", type=int, default=50)
    parser.add_argument("--requests", type=int, default=30, help="for each page")
    parser.add_argument("--only", nargs="+", help="pages: only these")
    parser.add_argument("--without-reports", action="store_true", help="compute none of them")
    parser.add_argument("--without-pages", action="store_true", help="only fill, and compute")
    parser.add_argument("--folder", type=Path, help="keep the database here, and use it again")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="accord-bench-") as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with database(folder):
            report = measured(asked)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    started = time.perf_counter()
    campaign, manager = filled(asked)
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load": round(os.getloadavg()[0], 1),
        "command": " ".join(["python -m bench dashboards", *sys.argv[1:]]),
        "fill s": round(time.perf_counter() - started),
    }
    if not asked.without_reports:
        report["reports"] = [computed(campaign, subject) for subject in SUBJECTS]
        show("Reports, as a worker computes them", report["reports"])
    pages = {
        name: address
        for name, address in addresses(campaign).items()
        if not asked.only or name in asked.only
    }
    if asked.without_pages:
        return report
    report["pages"] = over_http(pages, manager, asked.requests)
    show(f"Pages over HTTP, ms; the limit is {LIMIT}", report["pages"])
    report["slowest"] = slowest_query(pages, manager)
    print("\n".join(report["slowest"]["plan"]), flush=True)
    return report


def filled(asked: argparse.Namespace) -> tuple[Any, Any]:
    """A campaign with so many judgments, and who manages it."""
    from django.db import connection, transaction

    from labeling.models import Campaign, Hold, Membership, Policy, User
    from labeling.services.campaigns import add_members
    from rlhf.services.rounds import begin_round

    before = Campaign.objects.filter(name="Bench").first()
    if before is not None:
        return before, User.objects.get(username="manager")
    labelers = people(asked.labelers)
    manager = User.objects.create_user("manager", is_engineer=True)  # whom rounds are shown to
    campaign = Campaign.objects.create(
        name="Bench", status=Campaign.Status.OPEN, overlap=OVERLAP, price="0.25",
        gold_share=0.025, created_by=manager,
    )  # fmt: skip
    add_members(campaign=campaign, users=labelers, role=Membership.Role.LABELER)
    add_members(campaign=campaign, users=[manager], role=Membership.Role.MANAGER)
    policies = [Policy.objects.create(name="bench", version=version).pk for version in range(5)]
    pairs = round(asked.judgments / OVERLAP / asked.done)
    values = {
        "pairs": pairs,
        "done": round(pairs * asked.done),
        "campaign": campaign.pk,
        "policies": policies,
        "labelers": [labeler.pk for labeler in labelers],
        "overlap": OVERLAP,
        "gold": GOLD,
        "days": DAYS,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FILL, values)
    with connection.cursor() as cursor:
        for table in SEQUENCES:
            name = f"labeling_{table}"
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}"  # noqa: S608
            )
        cursor.execute("VACUUM ANALYZE")
    # What this one judged has to be read, to tell which pairs nobody else did.
    Hold.objects.create(
        campaign=campaign, labeler=labelers[0], kind=Hold.Kind.QUARANTINE, reason="bench"
    )
    begin_round(campaign=campaign)
    return campaign, manager


SUBJECTS = ["agreement", "labelers", "policies", "review"]


def computed(campaign: Any, subject: str) -> dict[str, Any]:
    """Compute one report here, and how long that took."""
    from django.utils import timezone

    from labeling.models import Report
    from labeling.services.reports import compute

    report = Report.objects.create(campaign=campaign, subject=subject, judges="person")
    report.claim(timezone.now())
    started = time.perf_counter()
    compute(report)
    return {"report": subject, "s": round(time.perf_counter() - started, 1)}


def addresses(campaign: Any) -> dict[str, str]:
    """The manager's pages by what they are called."""
    from django.urls import reverse

    round = campaign.rounds.get().pk
    pages = ["progress", "agreement", "labelers", "policies", "cost"]
    return {
        "start": reverse("labeling:home"),
        "campaigns": reverse("labeling:campaigns"),
        "campaign": reverse("labeling:campaign", args=[campaign.pk]),
        "campaign, live": reverse("labeling:progress", args=[campaign.pk]),
        **{page: reverse("labeling:dashboard", args=[campaign.pk, page]) for page in pages},
        "quality": reverse("labeling:quality", args=[campaign.pk]),
        "review": reverse("labeling:reviews", args=[campaign.pk]),
        "people": reverse("labeling:people", args=[campaign.pk]),
        "rounds of the campaign": reverse("rlhf:campaign_rounds", args=[campaign.pk]),
        "rounds": reverse("rlhf:rounds"),
        "round": reverse("rlhf:round", args=[round]),
        "round, live": reverse("rlhf:round_live", args=[round]),
        "responses": reverse("rlhf:generation", args=[campaign.pk]),
        "audit log": reverse("labeling:audit"),
        "pairs by labeler, CSV": reverse(
            "labeling:dashboard_table", args=[campaign.pk, "agreement", "pairs"]
        ),
    }


def over_http(pages: dict[str, str], manager: Any, count: int) -> list[dict[str, Any]]:
    from django.db import connection
    from django.test import Client

    client = Client()
    client.force_login(manager)
    cookies = {"sessionid": client.cookies["sessionid"].value}
    connection.close()
    rows = []
    with web() as url, httpx.Client(base_url=url, cookies=cookies, timeout=120) as http:
        for name, address in pages.items():
            http.get(address).raise_for_status()  # the first one loads code and templates
            times = []
            for _ in range(count):
                started = time.perf_counter()
                http.get(address).raise_for_status()
                times.append(1000 * (time.perf_counter() - started))
            p95 = statistics.quantiles(times, n=20)[-1]
            rows.append(
                {
                    "page": name,
                    "p50 ms": round(statistics.median(times)),
                    "p95 ms": round(p95),
                    "within": "yes" if p95 <= LIMIT else "NO",
                }
            )
            print(rows[-1], flush=True)
    return rows


def slowest_query(pages: dict[str, str], manager: Any) -> dict[str, Any]:
    """Of all queries of all pages the one that takes longest, with what PostgreSQL does for it."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"host": "localhost"})
    client.force_login(manager)
    found: tuple[float, str, str] = (-1.0, "", "")
    for name, address in pages.items():
        client.get(address)
        with CaptureQueriesContext(connection) as queries:
            response = client.get(address)
            if response.streaming:
                list(response.streaming_content)
        for query in queries:
            if query["sql"].startswith("SELECT"):
                found = max(found, (float(query["time"]), name, query["sql"]))
    _, name, sql = found
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}")
        plan = [row[0] for row in cursor.fetchall()]
    return {"page": name, "sql": sql, "plan": plan}


if __name__ == "__main__":
    main()
