"""Slack: one message a digest, through Airflow's Slack provider and slack-sdk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from airflow_lupus.exceptions import DeliveryError, MissingExtra, NotConfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk.definitions.context import Context

    from airflow_lupus.pipeline.digest import Digest, Line

MARKS = {"critical": ":red_circle:", "major": ":large_orange_circle:", "warning": ":large_yellow_circle:"}
SHOWN = 10
"""Anomalies worded in one message; the rest is counted. Slack refuses more than 50 blocks."""
LONGEST = 3000
"""Characters that Slack takes in the text of one block."""


class SlackNotifier(BaseNotifier):
    """Tells a Slack channel what a detect run found: what, where, value against expected, how bad, with links to chart, run and log.

    :param slack_conn_id: Airflow connection of type Slack API whose password is a bot token with `chat:write`.
    :param channel: where to post: `#name` or a channel id.
    :param base_url: another address of Slack's API, for a proxy or a test.
    :raises NotConfigured: there is no such connection; the message is in the task's log instead.
    """

    template_fields: Sequence[str] = ("slack_conn_id", "channel")

    def __init__(self, *, slack_conn_id: str = "slack_default", channel: str = "#general", base_url: str | None = None) -> None:
        super().__init__()
        self.slack_conn_id = slack_conn_id
        self.channel = channel
        self.base_url = base_url

    def notify(self, context: Context) -> None:
        """Post the context's digest."""
        digest: Digest = context["digest"]  # type: ignore[typeddict-item]
        self._post(digest.title, blocks(digest), digest.text)

    def _post(self, title: str, message: list[dict[str, Any]], plain: str) -> None:
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            from airflow.providers.slack.hooks.slack import SlackHook
            from slack_sdk.errors import SlackApiError
        except ModuleNotFoundError as error:
            raise MissingExtra("apache-airflow-providers-slack", "slack") from error

        hook = SlackHook(slack_conn_id=self.slack_conn_id, base_url=self.base_url)
        try:
            hook.client.chat_postMessage(channel=self.channel, text=title, blocks=message, unfurl_links=False)
        except AirflowNotFoundException as error:
            self.log.warning(
                "There is no Airflow connection %r, so this message to Slack's %s was not sent:\n%s",
                self.slack_conn_id,
                self.channel,
                plain,
            )
            msg = f"there is no Airflow connection {self.slack_conn_id!r}"
            raise NotConfigured(msg) from error
        except SlackApiError as error:
            said = error.response.get("error", "no reason given")
            msg = f"Slack refused the message to {self.channel} through connection {self.slack_conn_id!r}: {said}"
            raise DeliveryError(msg) from error
        except OSError as error:  # slack-sdk passes on what urllib raises
            msg = f"Slack is out of reach through connection {self.slack_conn_id!r}: {error}"
            raise DeliveryError(msg) from error


def escape(text: str) -> str:
    """Text that Slack shows as it is: no mention, link or emphasis comes out of data.

    >>> escape("<!channel> & *JFK*")
    '&lt;!channel&gt; &amp; *\u200bJFK*\u200b'
    """
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "*_~`":
        safe = safe.replace(mark, mark + "\u200b")  # a zero-width space keeps a pair of marks from being formatting
    return safe


def blocks(digest: Digest) -> list[dict[str, Any]]:
    """The digest in Slack's Block Kit."""
    many = len({line.period for line in digest.anomalies}) > 1
    content: list[dict[str, Any]] = [{"type": "header", "text": {"type": "plain_text", "text": digest.title[:150], "emoji": False}}]
    content += [_section(_worded(line, dated=many)) for line in digest.anomalies[:SHOWN]]
    if digest.total > SHOWN:
        content.append(_section(f"… and {digest.total - SHOWN:,} more"))
    content += [_section(f":warning: {escape(problem)}") for problem in digest.problems[:SHOWN]]
    footer = [f"<{url}|{name}>" for name, url in (("Charts", digest.page_url), ("Run", digest.run_url), ("Log", digest.log_url)) if url]
    footer += [f"Owner {escape(digest.owner)}"] if digest.owner else []
    footer += [f"<{digest.runbook}|Runbook>"] if digest.runbook and digest.runbook.startswith(("http://", "https://")) else []
    content.append(
        {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join([*footer, f"DAG {escape(digest.dag_id)}"])[:LONGEST]}]}
    )
    return content


def _worded(line: Line, *, dated: bool) -> str:
    where = f"{line.group} " if line.group else "all "
    when = f"{line.period} " if dated else ""
    text = escape(f"{when}{line.sentence}")
    return f"{MARKS.get(line.severity, '')} *{escape(where.strip())}* · {line.severity} · {text} · <{line.chart_url}|chart>"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:LONGEST]}}
