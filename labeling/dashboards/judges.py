"""The names of judges: labelers, AI judges, and the annotators of imported files."""

from collections.abc import Iterable

from labeling.models import Policy, PreferenceImport, User


def names_of(keys: Iterable[str]) -> dict[str, str]:
    """What people read for "u12" (a labeler), "p3" (an AI judge), "i4:anna" (an import's)."""
    wanted = set(keys)
    numbers = {
        kind: {int(key[1:].partition(":")[0]) for key in wanted if key[0] == kind} for kind in "upi"
    }
    users = User.objects.in_bulk(numbers["u"])
    policies = Policy.objects.in_bulk(numbers["p"])
    files = PreferenceImport.objects.in_bulk(numbers["i"])
    several = len(files) > 1  # then the file has to be named too

    def name(key: str) -> str:
        number, _, annotator = key[1:].partition(":")
        if key[0] == "u":
            user = users.get(int(number))
            return (user.get_full_name() or user.username) if user else number
        if key[0] == "p":
            policy = policies.get(int(number))
            return policy.slug if policy else number
        file = files.get(int(number))
        words = annotator or (file.name if file else number)
        return f"{words} ({file.name})" if annotator and several and file else words

    return {key: name(key) for key in wanted}
