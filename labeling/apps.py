from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class LabelingConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "labeling"

    def ready(self) -> None:
        from labeling.services import sign_in_methods  # noqa: F401, its receivers listen from here on

        autodiscover_modules("sayings")  # pages recognise what any process has stored
