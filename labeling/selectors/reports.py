from labeling.models import Campaign, Judgment, Report


def latest_report(campaign: Campaign, subject: str, judges: str) -> Report | None:
    """The newest one with figures."""
    return Report.objects.filter(
        campaign=campaign, subject=subject, judges=judges, status=Report.Status.DONE
    ).first()


def newest_request(campaign: Campaign, subject: str, judges: str) -> Report | None:
    """The last one asked for, whatever became of it."""
    return Report.objects.filter(campaign=campaign, subject=subject, judges=judges).first()


def last_judgment(campaign: Campaign, judges: str) -> int:
    """The number of the newest event by such judges; 0 without one.

    Walks the events backwards, so it is quick where judgments of this kind are still coming in.
    """
    newest = (
        Judgment.objects.filter(comparison__campaign=campaign, judge_kind=judges)
        .order_by("-id")
        .values_list("id", flat=True)
        .first()
    )
    return newest or 0
