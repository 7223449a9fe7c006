"""The vLLM servers that may answer for a policy in training."""

from collections.abc import Sequence

from django.conf import settings
from django.utils.translation import gettext as _

from labeling import errors
from rlhf.generation.persistence import ServerDown
from rlhf.generation.server import VllmServers


def named_servers(names: str) -> list[str]:
    """The addresses in a list with commas; all that are configured where it is empty.

    Only configured ones may be named: they are sent the installation's key.

    Raises:
        Refused: none is configured, or one is named that is not.
    """
    configured = settings.ROLLOUT_BASE_URLS
    if not configured:
        raise errors.Refused(
            _("No server is configured to answer for a run: set ROLLOUT_BASE_URL, or choose vLLM.")
        )
    named = [name.strip().rstrip("/") for name in names.split(",") if name.strip()]
    for name in named:
        if name not in configured:
            raise errors.Refused(
                _("%(name)s is none of the servers in ROLLOUT_BASE_URL, which are %(servers)s.")
                % {"name": name, "servers": ", ".join(configured)}
            )
    return list(dict.fromkeys(named)) or configured


def check_they_answer(servers: Sequence[str]) -> None:
    """Refuse a run whose servers are not there now; whether they follow is seen by the run.

    Raises:
        Refused: one does not answer.
    """
    for server in servers:
        try:
            VllmServers([server], settings.VLLM_API_KEY).policies()
        except ServerDown:
            raise errors.Refused(
                _(
                    "The vLLM server at %(server)s does not answer: start it, check VLLM_API_KEY, "
                    "or choose vLLM."
                )
                % {"server": server}
            ) from None
