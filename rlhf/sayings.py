"""What the gate, the workers and the clients of servers say of rounds, policies and answers."""

from django.utils.translation import gettext_noop

from labeling.sayings import Saying

# Rounds and policies ------------------------------------------------------------------------------

BY_THE_GATE = Saying(
    gettext_noop("By the gate: win rate %(share)s (95 %% interval %(low)s to %(high)s).")
)
NO_BETTER_JUDGE = Saying(gettext_noop("The reward model does not beat its baselines."))
WITHIN_ERROR = Saying(gettext_noop("The reward did not rise by more than its standard error."))
NOT_ABOVE_HALF = Saying(gettext_noop("The win rate cannot be told from one half."))
CHECKED = Saying(
    gettext_noop(
        "By reward model %(number)s, which the run did not follow: %(share)s (%(low)s to %(high)s)."
    )
)
UNCHECKED = Saying(gettext_noop("No other reward model checked the run."))
OF_ROUND = Saying(gettext_noop("Round %(number)s of %(campaign)s:"))
FIRST_VERSION = Saying(gettext_noop("The first version of its line."))
ONLY_FOLLOWED_GAINS = Saying(
    gettext_noop(
        "Reward model %(followed)s, which the run followed, sees a gain; reward model %(other)s, "
        "which it did not follow, sees none."
    )
)
KNOWN_ENOUGH = Saying(gettext_noop("Each win rate is known to within %(width)s points."))
GAINS_TOO_LITTLE = Saying(
    gettext_noop("The next %(more)s labels are expected to add %(gain)s points of accuracy.")
)

# Servers ------------------------------------------------------------------------------------------

REFUSED_PROMPT = Saying(gettext_noop("The server refused this prompt, most likely as too long."))
# The clients of servers know no Django, so their sentences stand here once more, to be recognised.
OF_SERVERS = (
    Saying(gettext_noop("The vLLM server at %(url)s refuses the key: check VLLM_API_KEY.")),
    Saying(gettext_noop("The vLLM server at %(url)s does not answer (%(reason)s).")),
    Saying(
        gettext_noop(
            "The vLLM server at %(url)s did not answer (%(reason)s), after %(attempts)s attempts."
        )
    ),
    Saying(
        gettext_noop("The vLLM server at %(url)s answered %(status)s, after %(attempts)s attempts.")
    ),
    Saying(gettext_noop("The vLLM server at %(url)s answered %(status)s.")),
    Saying(gettext_noop("The vLLM server at %(url)s answered %(status)s: %(words)s")),
    Saying(gettext_noop("The vLLM server at %(url)s no longer offers the policy %(policy)s.")),
    Saying(gettext_noop("No vLLM server offers the policy %(policy)s; they offer %(others)s.")),
)
