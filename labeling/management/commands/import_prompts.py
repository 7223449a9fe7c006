from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling.management.command_line import find_campaign, read_or_refused
from labeling.models import PromptFile
from labeling.services.prompt_imports import Wanted, import_prompts


class Command(BaseCommand):
    help = (
        "Import prompts (JSONL, CSV, Parquet, or a Hugging Face data set folder, zipped or not; "
        "images as data: addresses or paths relative to the file) into a campaign. With two "
        '"responses" a prompt is a pair to judge.'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--campaign", required=True, help="name or number of the campaign")
        parser.add_argument("--prompt-field", default="prompt")
        parser.add_argument("--category-field", default="category")
        parser.add_argument("--split", default="", help="of a folder, such as train")
        parser.add_argument("--sample", type=int, help="how many rows, drawn by chance")
        parser.add_argument(
            "--evenly", action="store_true", help="draw the same number of each category"
        )

    def handle(self, *, file: Path, campaign: str, **options: Any) -> None:
        into = find_campaign(campaign)
        wanted = Wanted(
            options["prompt_field"],
            options["category_field"],
            options["split"],
            options["sample"],
            PromptFile.Spread.EVENLY if options["evenly"] else PromptFile.Spread.AS_IN_FILE,
        )
        folder = file if file.is_dir() else file.parent
        with read_or_refused(file):
            report = import_prompts(
                campaign=into, file=file, name=file.name, folder=folder, wanted=wanted
            )
        self.stdout.write(f"Imported {report.prompts} prompts and {report.pairs} pairs to judge.")
