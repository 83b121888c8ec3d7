"""Every format intents can be imported from, by the name the command line knows it under."""

from collections.abc import Mapping

from integrations.formats.clu import parse_clu
from integrations.formats.dialogflow_cx import parse_dialogflow_cx
from integrations.formats.intents_csv import parse_csv
from integrations.formats.lex_import import parse_lex
from integrations.formats.rasa_nlu import parse_rasa
from service.intents.parsing import parse_jsonl
from service.intents.schemas import Importer

IMPORTERS: Mapping[str, Importer] = {
    "jsonl": parse_jsonl,
    "csv": parse_csv,
    "rasa": parse_rasa,
    "clu": parse_clu,
    "dialogflow_cx": parse_dialogflow_cx,
    "lex": parse_lex,
}
