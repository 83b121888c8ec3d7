"""Every format intents can be imported from, by the name the command line knows it under."""

from collections.abc import Mapping

from integrations.formats.intents_csv import parse_csv
from integrations.formats.rasa_nlu import parse_rasa
from service.intents.parsing import parse_jsonl
from service.intents.schemas import Importer

IMPORTERS: Mapping[str, Importer] = {"jsonl": parse_jsonl, "csv": parse_csv, "rasa": parse_rasa}
