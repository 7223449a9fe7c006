"""Who else may say who somebody is: OpenID Connect providers, read from the environment.

OPENID_PROVIDERS names them; what each is like stands in OPENID_<NAME>_..., as docs/operations.md
lists it.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment, is_loopback, read_flag, read_list, read_url, refuse

ID = re.compile(r"[a-z][a-z0-9_]{0,30}")
ADMITS = ("invited", "everybody")


@dataclass(frozen=True)
class OpenIDProvider:
    id: str
    name: str  # as the button on the sign-in page calls it
    url: str  # of the issuer; /.well-known/openid-configuration lies below it
    client_id: str
    client_secret: str
    admits: str = "invited"  # of those who have no account yet; or "everybody"
    # Whether an address of this provider opens the account that has it, and counts as verified
    # where the provider does not say. Whoever runs the provider can then be anybody here.
    trusts_email: bool = False

    def app(self) -> dict[str, Any]:
        """As django-allauth wants it."""
        return {
            "provider_id": self.id,
            "name": self.name,
            "client_id": self.client_id,
            "secret": self.client_secret,
            "settings": {"server_url": self.url, "oauth_pkce_enabled": True},
        }


def read_providers(environment: Environment, name: str) -> dict[str, OpenIDProvider]:
    found = {}
    for id_ in read_list(environment, name, []):
        if not ID.fullmatch(id_):
            raise refuse(name, id_, "made of lower-case letters, digits and _")
        found[id_] = _read_provider(environment, id_)
    return found


def _read_provider(environment: Environment, id_: str) -> OpenIDProvider:
    prefix = f"OPENID_{id_.upper()}_"
    for what in ("URL", "CLIENT_ID", "CLIENT_SECRET"):
        if not environment.get(prefix + what, "").strip():
            raise ImproperlyConfigured(
                f"{prefix}{what} is missing, but OPENID_PROVIDERS has {id_}."
            )
    example = "https://login.example.org/realms/accord"
    url = read_url(environment, f"{prefix}URL", {"http", "https"}, "", example).rstrip("/")
    if urlsplit(url).scheme == "http" and not is_loopback(urlsplit(url).hostname or ""):
        raise refuse(f"{prefix}URL", url, "an https address: what it says is believed")
    admits = environment.get(f"{prefix}ADMITS", "").strip() or "invited"
    if admits not in ADMITS:
        raise refuse(f"{prefix}ADMITS", admits, " or ".join(ADMITS))
    return OpenIDProvider(
        id=id_,
        name=environment.get(f"{prefix}NAME", "").strip() or id_.capitalize(),
        url=url,
        client_id=environment[f"{prefix}CLIENT_ID"].strip(),
        client_secret=environment[f"{prefix}CLIENT_SECRET"].strip(),
        admits=admits,
        trusts_email=read_flag(environment, f"{prefix}TRUSTS_EMAIL", default=False),
    )
