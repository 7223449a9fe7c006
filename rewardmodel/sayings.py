"""What the workers say of training runs, for the pages of these."""

from django.utils.translation import gettext_noop

from labeling.sayings import Saying

NOT_STARTED = Saying(gettext_noop("The run could not start: %(problem)s"))
KILLED = Saying(
    gettext_noop(
        "The training program was killed (%(signal)s) %(times)s times, most likely for lack of "
        "memory; use a smaller batch or model."
    )
)
NOT_STORED = Saying(gettext_noop("The result could not be stored: %(problem)s"))
NO_WORD = Saying(gettext_noop("The training program ended without a word."))
