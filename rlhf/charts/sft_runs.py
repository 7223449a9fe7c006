"""SFT: the curves of a run."""

from django.utils.translation import gettext_lazy

from rewardmodel.watching import Curve

CURVES = [
    Curve(
        gettext_lazy("Loss"),
        gettext_lazy("nats an answer token"),
        {"loss": gettext_lazy("learned"), "test_loss": gettext_lazy("held out")},
    ),
    Curve(gettext_lazy("Learning rate"), "", {"learning_rate": gettext_lazy("learning rate")}),
    Curve(gettext_lazy("Length of the gradient"), "", {"grad_norm": gettext_lazy("gradient")}),
    Curve(
        gettext_lazy("Speed"),
        gettext_lazy("tokens a second"),
        {"tokens_per_second": gettext_lazy("speed")},
    ),
]
