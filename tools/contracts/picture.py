"""The picture of topics and services, as Mermaid. It stands in map.md, and in README.md between two marks."""

from pathlib import Path

from deploy.local.names import SERVICES
from shared import topics
from shared.events import ClockTicked
from tools.contracts import traffic

BEGIN, END = "<!-- picture: written by `comeback contracts` -->\n", "<!-- /picture -->\n"
PAGE = "README.md"


def picture() -> list[str]:
    boxes = [
        f"    {traffic.STOREFRONT}([{traffic.STOREFRONT}])",
        *(f"    {service}[{service}]" for service in SERVICES),
    ]
    return ["```mermaid", "flowchart LR", *boxes, *(f"    {arrow}" for arrow in _arrows()), "```"]


def _arrows() -> list[str]:
    """From a sender to those who hear the same topics of it; dotted where the hearer's clock does not wait for it."""
    solid: dict[tuple[str, str], list[str]] = {}
    dotted: dict[tuple[str, str], list[str]] = {}
    for topic in topics.ALL:
        sender, *doors = traffic.senders(topic)
        for hearer in (*SERVICES, traffic.STOREFRONT):
            if events := traffic.heard(hearer, topic):
                waits = ClockTicked in events
                (solid if waits else dotted).setdefault((sender, hearer), []).append(topic)
        for door in doors:
            dotted[sender, door] = ["HTTP"]
    return [*_joined(solid, '-- "{}" -->'), *_joined(dotted, '-. "{}" .->')]


def _joined(arrows: dict[tuple[str, str], list[str]], arrow: str) -> list[str]:
    """Arrows from one box with the same label are one arrow to several boxes."""
    found: dict[tuple[str, str], list[str]] = {}
    for (sender, hearer), names in arrows.items():
        found.setdefault((sender, "<br>".join(names)), []).append(hearer)
    return [f"{sender} {arrow.format(label)} {' & '.join(hearers)}" for (sender, label), hearers in found.items()]


def with_picture(root: Path) -> str:
    """The page with today's picture in it; raises ValueError when the marks are gone."""
    text = (root / PAGE).read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} has no place for the picture: {BEGIN.strip()} and {END.strip()}")
    return "\n".join([before + begin.rstrip(), *picture(), end + after])
