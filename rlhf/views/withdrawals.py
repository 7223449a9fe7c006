"""What labelers took back, and which models were trained on it before."""

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labeling.access import require_engineer
from labeling.models import Withdrawal
from labeling.requests import SignedIn
from rlhf.selectors.withdrawals import touched_by

SHOWN = 50


@login_required
@require_safe
def index(request: SignedIn) -> HttpResponse:
    require_engineer(request.user)
    newest = Withdrawal.objects.select_related("labeler").annotate(count=Count("tombstones"))
    rows = [touched_by(withdrawal) for withdrawal in newest[:SHOWN]]
    return render(request, "rlhf/withdrawals.html", {"rows": rows})
