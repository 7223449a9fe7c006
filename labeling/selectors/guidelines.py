from django.db.models import Count, QuerySet

from labeling.models import Campaign, GuidelinesVersion


def version_shown(campaign: Campaign, number: int | None) -> GuidelinesVersion | None:
    """The version a page says it showed; the newest where it does not say or can't know."""
    versions = GuidelinesVersion.objects.filter(campaign=campaign)
    if number is not None:
        versions = versions.filter(number__lte=number)
    return versions.order_by("-number").first()


def versions_of(campaign: Campaign) -> QuerySet[GuidelinesVersion]:
    """All versions, newest first, with the number of judgments that were made under each."""
    return (
        GuidelinesVersion.objects.filter(campaign=campaign)
        .annotate(made_under=Count("judgments"))
        .order_by("-number")
    )
