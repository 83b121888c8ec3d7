"""What a reviewer is shown of a card: text, conversation, choices. A blind card keeps every opinion out, whosever."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from service import tables
from service.classifiers import store as classifiers
from service.encoding import unpack
from service.errors import TurnNotFound
from service.intents.store import intent_ids, list_intents, merges
from service.learning.head import probabilities
from service.reports.store import reports_on_turns
from service.reviews import said
from service.reviews.schemas import TYPE_LIMIT, Around, Card, CardView, Choice, Entity, Line, Mark, Origin, Span, Why
from service.turns.store import texts_of

TURN, CONTENT, LABEL, REPLY = tables.turn, tables.turn_content, tables.label, tables.reply
CHOICES = 9  # as many as there are number keys
EXAMPLES = 3
TURNS_AROUND = 2
MOST_REPLIES = 20


def view(connection: sa.Connection, card: Card, *, adjudicates: bool = False) -> CardView:
    """The card as it is shown; TurnNotFound once its turn is forgotten. `adjudicates`: to an adjudicator."""
    turn = _turn(connection, card)
    conversation = around(connection, turn)
    may_read = not card.is_blind or card.status == "resolved" or (adjudicates and card.status == "adjudicate")
    return CardView(
        id=card.id,
        bot=card.bot,
        turn_id=card.turn_id,
        purpose="blind" if card.is_blind else "rank",
        blind=card.is_blind,
        status=card.status,
        text=turn.text,
        context=Around(conversation.before) if card.is_blind else conversation,
        choices=_choices(connection, card),
        entities=() if card.is_blind else tuple(_entity(entity) for entity in turn.entities),
        tagged=None if card.is_blind else _tagged(connection, card),
        why=None if card.is_blind else _why(connection, card),
        said=said.on(connection, card) if may_read else (),
    )


def _turn(connection: sa.Connection, card: Card) -> sa.Row[Any]:
    query = sa.select(TURN, CONTENT.c.text, CONTENT.c.entities).join(CONTENT, CONTENT.c.turn_id == TURN.c.id)
    row = connection.execute(query.where(TURN.c.id == card.turn_id)).one_or_none()
    if row is None:
        raise TurnNotFound(card.bot, card.turn_id)
    return row


def _entity(stored: Mapping[str, Any]) -> Entity:
    return Entity(stored["type"], stored["value"], stored["start"], stored["end"])


def _tagged(connection: sa.Connection, card: Card) -> tuple[Span, ...] | None:
    stored = connection.scalar(sa.select(tables.card.c.tagged).where(tables.card.c.id == card.id))
    return None if stored is None else tuple(Span(*span) for span in stored)


def likely_spans(card: CardView) -> tuple[Span, ...]:
    """What an editor of entities begins with: the tagger's, else the platform's; none on a blind card."""
    if card.tagged is not None:
        return card.tagged
    return tuple(Span(one.start, one.end, one.type) for one in card.entities if 0 < len(one.type.strip()) <= TYPE_LIMIT)


def around(connection: sa.Connection, turn: sa.Row[Any]) -> Around:
    """Two turns either side with their replies. What names the turn as answered stands after it, whatever its time."""
    here = (turn.at, 0, turn.id, Line("user", turn.text))
    turns = _turns_around(connection, turn) if turn.conversation_id else [here]
    others = _replies(connection, turn, turns) if turn.conversation_id else []
    spoken = [*turns, *others, *_answers(connection, turn)]
    spoken.sort(key=lambda line: line[:3])
    place = next(index for index, line in enumerate(spoken) if line[1:3] == (0, turn.id))
    before, after = spoken[:place], spoken[place + 1 :]
    return Around(tuple(line for *_, line in before), tuple(line for *_, line in after))


_Spoken = tuple[Any, int, int, Line]  # when, 0 for a turn and 1 for a reply, id, the words


def _turns_around(connection: sa.Connection, turn: sa.Row[Any]) -> list[_Spoken]:
    place = sa.tuple_(TURN.c.at, TURN.c.id)
    here = sa.tuple_(sa.literal(turn.at, TURN.c.at.type), sa.literal(turn.id))
    query = (
        sa.select(TURN.c.at, TURN.c.id, CONTENT.c.text)
        .join(CONTENT, CONTENT.c.turn_id == TURN.c.id)
        .where(TURN.c.bot == turn.bot, TURN.c.source == turn.source, TURN.c.conversation_id == turn.conversation_id)
    )
    before = query.where(place <= here).order_by(TURN.c.at.desc(), TURN.c.id.desc()).limit(TURNS_AROUND + 1)
    after = query.where(place > here).order_by(TURN.c.at, TURN.c.id).limit(TURNS_AROUND)
    rows = [*connection.execute(before), *connection.execute(after)]
    return [(row.at, 0, row.id, Line("user", row.text)) for row in rows]


def _replies(connection: sa.Connection, turn: sa.Row[Any], turns: Sequence[_Spoken]) -> list[_Spoken]:
    """Other replies spoken between the first and the last of these turns, and the answers to the last one."""
    first, last = min(turns, key=lambda line: line[:3])[0], max(turns, key=lambda line: line[:3])[0]
    is_other = REPLY.c.turn_external_id != turn.external_id
    query = _spoken_replies(turn).where(REPLY.c.conversation_id == turn.conversation_id, is_other)
    following = sa.select(sa.func.min(TURN.c.at)).where(
        TURN.c.bot == turn.bot,
        TURN.c.source == turn.source,
        TURN.c.conversation_id == turn.conversation_id,
        TURN.c.at > last,
    )
    end = connection.scalar(following)
    query = query.where(REPLY.c.at >= first) if end is None else query.where(REPLY.c.at >= first, REPLY.c.at < end)
    return [(row.at, 1, row.id, Line("bot", row.text)) for row in connection.execute(query)]


def _answers(connection: sa.Connection, turn: sa.Row[Any]) -> list[_Spoken]:
    """Replies that name the turn, none before it: the platform's clocks may differ, and a blind card shows what was
    said before."""
    query = _spoken_replies(turn).where(REPLY.c.turn_external_id == turn.external_id)
    return [(max(row.at, turn.at), 1, row.id, Line("bot", row.text)) for row in connection.execute(query)]


def _spoken_replies(turn: sa.Row[Any]) -> sa.Select[Any]:
    """The first of the turn's source; to be narrowed down."""
    content = tables.reply_content
    query = sa.select(REPLY.c.at, REPLY.c.id, content.c.text).join(content, content.c.reply_id == REPLY.c.id)
    of_source = query.where(REPLY.c.bot == turn.bot, REPLY.c.source == turn.source)
    return of_source.order_by(REPLY.c.at, REPLY.c.id).limit(MOST_REPLIES)


def _choices(connection: sa.Connection, card: Card) -> tuple[Choice, ...]:
    """The champion's nine likeliest intents, best first; without a champion all of them by name. Before them comes what
    a user named as the right one: it is offered, and somebody has to agree. On a blind card all by name, whoever named
    one."""
    intents = sorted(list_intents(connection, card.bot), key=lambda intent: intent.name)
    chances = {} if card.is_blind else _chances(connection, card)
    corrected = None if card.is_blind else _corrected(connection, card)
    intents.sort(key=lambda intent: (intent.id != corrected, -chances.get(intent.id, 0.0)))
    if chances:
        intents = intents[:CHOICES]
    examples = _examples(connection, card, [intent.id for intent in intents])
    return tuple(
        Choice(
            intent.name,
            intent.description,
            tuple(examples.get(intent.id, ())),
            _rounded(chances.get(intent.id)),
            intent.id == corrected,
        )
        for intent in intents
    )


def _corrected(connection: sa.Connection, card: Card) -> int | None:
    """The intent that the newest correction of the turn names, where it is one of the bot's."""
    names = [report.intent for report in reports_on_turns(connection, card.bot, [card.turn_id]) if report.intent]
    return intent_ids(connection, card.bot).get(names[-1]) if names else None


def numbered_choices(card: CardView) -> tuple[Choice, ...]:
    """Those a number key stands for. A longer list is in no order of likelihood."""
    return card.choices if len(card.choices) <= CHOICES else ()


def _rounded(chance: float | None) -> float | None:
    return None if chance is None else round(chance, 3)


def _chances(connection: sa.Connection, card: Card) -> dict[int, float]:
    """The champion's probability of each intent; empty before the first champion, or until the turn is embedded for
    it."""
    champion = classifiers.champion(connection, card.bot)
    if champion is None:
        return {}
    vector = tables.vector
    query = sa.select(vector.c.data).where(vector.c.turn_id == card.turn_id, vector.c.encoder == champion.encoder)
    data = connection.scalar(query)
    if data is None:
        return {}
    chances = probabilities(champion.head, unpack([data]))[0]
    return dict(zip(champion.head.intent_ids.tolist(), chances.tolist(), strict=True))


def _examples(connection: sa.Connection, card: Card, intent_ids: Sequence[int]) -> dict[int, list[str]]:
    """Up to three phrases of each intent, the owner's before the reviewers'; never the card's own turn."""
    counts_for = {old: new for old, new in merges(connection, card.bot).items() if new in intent_ids}
    found: dict[int, list[int]] = {}
    origins: tuple[Origin, ...] = ("import", "vote")
    for origin in origins:
        lacking = [old for old, new in counts_for.items() if len(found.get(new, ())) < EXAMPLES]
        for intent_id, *turn_ids in connection.execute(_first_labelled(card, lacking, origin)):
            found.setdefault(counts_for[intent_id], []).extend(filter(None, turn_ids))
    texts = texts_of(connection, [turn_id for turn_ids in found.values() for turn_id in turn_ids])
    said = {one: [texts[turn_id] for turn_id in turn_ids if turn_id in texts] for one, turn_ids in found.items()}
    return {intent_id: phrases[:EXAMPLES] for intent_id, phrases in said.items() if phrases}


def _first_labelled(card: Card, intent_ids: Sequence[int], origin: Origin) -> sa.Select[Any]:
    """Of each intent the turns whose labels came first, one by one: all labels need not be read for that."""
    intent, later = tables.intent, LABEL.alias()
    is_replaced = sa.exists().where(
        later.c.turn_id == LABEL.c.turn_id, later.c.use == LABEL.c.use, later.c.id > LABEL.c.id
    )
    labelled = (
        sa.select(LABEL.c.turn_id)
        .where(LABEL.c.bot == intent.c.bot, LABEL.c.use == "train", LABEL.c.intent_id == intent.c.id)
        .where(LABEL.c.answer == "intent", LABEL.c.origin == origin)
        .where(LABEL.c.turn_id != card.turn_id, ~is_replaced)
        .order_by(LABEL.c.id)
        .limit(1)
        .correlate(intent)
    )
    first = (labelled.offset(place).scalar_subquery() for place in range(EXAMPLES))
    return sa.select(intent.c.id, *first).where(intent.c.bot == card.bot, intent.c.id.in_(intent_ids))


def _why(connection: sa.Connection, card: Card) -> Why:
    mark, item, ranking = tables.mark, tables.ranking_item, tables.ranking
    marks = connection.execute(
        sa.select(mark.c.kind, mark.c.value).where(mark.c.turn_id == card.turn_id).order_by(mark.c.kind)
    )
    query = sa.select(item.c.factors, ranking.c.strategy).join(ranking, ranking.c.id == item.c.ranking_id)
    where = (item.c.ranking_id == card.ranking_id, item.c.turn_id == card.turn_id)
    ranked = connection.execute(query.where(*where)).one_or_none() if card.ranking_id else None
    return Why(tuple(Mark(row.kind, row.value) for row in marks), *(ranked or ()))
