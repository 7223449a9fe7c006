import logging
import xmlrpc.client
from contextlib import suppress
from functools import partial

from django.conf import settings
from django.db import transaction
from supervisor.xmlrpc import SupervisorTransport

from labeling.models import Policy
from rlhf.models import ServingSlot

logger = logging.getLogger(__name__)


@transaction.atomic
def serve(*policies: Policy) -> None:
    """Have the inference servers serve these policies, the most wanted first.

    A policy that is served already keeps its server; a server whose policy is no longer wanted
    starts again with a new one. With fewer servers than policies, the last go without.
    """
    slots = {slot.number: slot for slot in ServingSlot.objects.select_for_update()}
    wanted = list(policies)[: len(settings.VLLM_BASE_URLS)]
    served = {slot.policy_id for slot in slots.values()}
    free = [
        number
        for number in range(len(settings.VLLM_BASE_URLS))
        if number not in slots or slots[number].policy not in wanted
    ]
    for policy in wanted:
        if policy.pk in served:
            continue
        number = free.pop(0)
        ServingSlot.objects.filter(number=number).delete()
        ServingSlot.objects.create(number=number, policy=policy)
        transaction.on_commit(partial(restart_server, number), robust=True)


def restart_server(number: int) -> None:
    """Start the inference server of a slot again, so that it serves the slot's policy.

    With servers of one's own (VLLM_BASE_URL) nobody here can: they are asked which policies they
    have, and requests wait until one has the policy.
    """
    if settings.SUPERVISOR_SOCKET is None:
        logger.info("The inference servers are not ours: slot %d waits for its policy.", number)
        return
    supervisor = xmlrpc.client.ServerProxy(
        "http://127.0.0.1",  # ignored: the transport speaks through the socket
        transport=SupervisorTransport(serverurl=f"unix://{settings.SUPERVISOR_SOCKET}"),
    ).supervisor
    name = f"vllm-{number}"
    with suppress(xmlrpc.client.Fault):  # it was not running
        supervisor.stopProcess(name)
    supervisor.startProcess(name, False)  # do not wait: a server takes half a minute
