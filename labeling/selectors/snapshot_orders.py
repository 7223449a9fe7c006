from labeling.models import Campaign, SnapshotOrder


def last_order(campaign: Campaign) -> SnapshotOrder | None:
    """The newest, where there is still something to say about it: under way, or failed."""
    order = SnapshotOrder.objects.filter(campaign=campaign).first()
    return None if order is None or order.status == SnapshotOrder.Status.DONE else order
