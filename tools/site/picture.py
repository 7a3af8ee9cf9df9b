"""The picture of topics and services: a line for each topic, from who tells it to those who hear it."""

from tools.site.traffic import Traffic

_COLUMN, _TOP, _ROW = 118, 46, 46


def picture(traffic: Traffic) -> list[str]:
    """Raw HTML; its colours are the page's (`_static/site.css`)."""
    columns = {service: _COLUMN // 2 + index * _COLUMN for index, service in enumerate(traffic.services)}
    width, height = _COLUMN * len(columns), _TOP + _ROW * len(traffic.topics) + 12
    lines = [
        "```{raw} html",
        '<div class="traffic"><svg role="img" aria-label="Topics, who tells them and who hears them" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
    ]
    for service, x in columns.items():
        lines.append(f'<line class="lane" x1="{x}" y1="32" x2="{x}" y2="{height - 8}"/>')
        lines.append(f'<text class="service" x="{x}" y="22">{service}</text>')
    for index, topic in enumerate(traffic.topics):
        lines += _line(traffic, topic, columns, _TOP + 26 + index * _ROW)
    return [*lines, "</svg></div>", "```", "", _LEGEND, ""]


_LEGEND = (
    "A filled dot tells the topic, a ring hears it. A dashed ring hears it without its ticks: that service's clock "
    "does not wait for the topic."
)


def _line(traffic: Traffic, topic: str, columns: dict[str, int], y: int) -> list[str]:
    senders, receivers = traffic.senders(topic), traffic.receivers(topic)
    ends = [columns[service] for service in (*senders, *receivers)]
    lines = [
        f'<line class="topic" x1="{min(ends)}" y1="{y}" x2="{max(ends)}" y2="{y}"/>',
        f'<text class="name" x="{min(ends) - 5}" y="{y - 11}">{topic}</text>',
    ]
    for service in receivers:
        ring = "heard" if traffic.waits(service, topic) else "heard unwaited"
        lines.append(f'<circle class="{ring}" cx="{columns[service]}" cy="{y}" r="6"/>')
    for service in senders:
        radius = 3 if service in receivers else 5
        lines.append(f'<circle class="told" cx="{columns[service]}" cy="{y}" r="{radius}"/>')
    return lines
