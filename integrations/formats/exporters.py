"""Every format that labelled turns can be exported in, by the name the command line and the API know it under."""

from collections.abc import Mapping

from integrations.formats import chat, clu, dialogflow_cx, hugging_face, intents_csv, jsonl, lex, rasa_nlu
from service.exports.schemas import Exporter

JSON, JSON_LINES, ZIP = "application/json", "application/jsonl", "application/zip"

EXPORTERS: Mapping[str, Exporter] = {
    "rasa": Exporter(".yml", "application/yaml", False, rasa_nlu.write),
    "dialogflow_cx": Exporter(".zip", ZIP, False, dialogflow_cx.write),
    "lex": Exporter(".zip", ZIP, False, lex.write),
    "clu": Exporter(".json", JSON, True, clu.write),
    "csv": Exporter(".csv", "text/csv", True, intents_csv.write),
    "jsonl": Exporter(".jsonl", JSON_LINES, True, jsonl.write),
    "datasets": Exporter(".zip", ZIP, True, hugging_face.write),
    "chat": Exporter(".jsonl", JSON_LINES, False, chat.write),
}
