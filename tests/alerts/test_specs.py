"""`alerts` as they are written: what lint finds in them, and what it keeps secret."""

# ruff: noqa: E501 -- specs read best in one line

from __future__ import annotations

import pytest

from flowc.diagnostics import Severity
from flowc.render import full
from tests.alerts.specs import BASE, codes, linted


def test_all_kinds_lint(tmp_path):
    checked, found = linted(
        tmp_path,
        """
  team: { kind: slack, url: "${SLACK_WEBHOOK}" }
  mail: { kind: email, host: smtp.example.com, port: 587, username: u, password: "${PW}", from: a@b.c, to: [d@e.f] }
  pager: { kind: pagerduty, routing_key: "${PD}", on: [gave_up, stale, lag, restarts], only: ["tag:critical"] }
  hook: { kind: webhook, url: "https://x.example", headers: { authorization: "Bearer ${T}" }, body: '{"t": {{ alert.message | tojson }}}', repeat: 4h }
  log: { kind: stdout, lag: 10m, restarts: 3, only: [load, "+other"] }
""",
    )
    assert found == []
    alerts = checked.project.alerts
    assert list(alerts) == ["team", "mail", "pager", "hook", "log"]
    assert (alerts["hook"].repeat, alerts["log"].lag, alerts["log"].restarts) == (14400.0, 600.0, 3)
    assert "SLACK_WEBHOOK" not in repr(alerts["team"])


def test_an_environment_has_alerts_of_its_own(tmp_path):
    from flowc.compiler import stages
    from flowc.diagnostics import Reporter

    text = (
        BASE
        + 'alerts: { a: { kind: stdout }, b: { kind: stdout } }\nenvironments: { prod: { alerts: { a: { kind: slack, url: "${U}" } } } }\n'
    )
    (tmp_path / "a.yaml").write_text(text, "utf-8")
    reporter = Reporter()
    checked, _ = stages.lint([tmp_path / "a.yaml"], reporter, environment="prod")
    assert {name: alert.kind.value for name, alert in checked.project.alerts.items()} == {"a": "slack", "b": "stdout"}
    assert not reporter.has_errors


@pytest.mark.parametrize(
    ("alert", "code", "words"),
    [
        ("{ kind: slak, url: x }", "bad-value", "slack"),
        ("{ kind: slack }", "missing-key", "`url`"),
        ("{ kind: slack, url: hooks.slack.com }", "bad-value", ""),
        ("{ kind: webhook, url: 'http://[x' }", "bad-value", "`url` of alert `a` is no web address"),
        ("{ kind: webhook, url: 'http://h:abc/x' }", "bad-value", "`url` of alert `a` is no web address"),
        ("{ kind: pagerduty, routing_key: '${K}', url: 'https://' }", "bad-value", "is no web address"),
        ("{ kind: webhook, url: '${U}', headers: { a: \"x\\r\\ny: z\" } }", "bad-value", "the header `a` of alert `a` holds a line break"),
        ("{ kind: webhook, url: '${U}', headers: { \"a\\nb\": x } }", "bad-value", "a header of alert `a` has a name that is none"),
        ("{ kind: stdout, on: [gaveup] }", "bad-value", "gave_up"),
        ("{ kind: stdout, only: [lode] }", "unknown-selection", "there is no pipeline, stream or table `lode`"),
        ("{ kind: stdout, only: ['tag:critcal'] }", "unknown-selection", "there is no tag `critcal`"),
        ("{ kind: email, host: smtp.example.com, tls: none, password: '${P}', from: a@b.c, to: [a@b.c] }", "conflicting-keys", "in the clear"),
        ("{ kind: webhook, url: '${U}', body: '{{ alert.mesage }}' }", "undefined-template-name", "mesage"),
        ("{ kind: webhook, url: '${U}', body: '{{ mesage }}' }", "undefined-template-name", "`mesage` is not defined"),
        ("{ kind: webhook, url: '${U}', body: '{{ alert.message' }", "template-syntax", ""),
        ("{ kind: webhook, url: '${U}', body: '{\"text\": \"{{ alert.message }}\"}' }", "template-error", "where `alert.message` holds quotes or line breaks, it makes no JSON"),
        ("{ kind: webhook, url: '${U}', body: '{\"n\": {{ alert.attempt }}}' }", "template-error", "where `alert.attempt` is not known, it makes no JSON"),
        ("{ kind: webhook, url: '${U}', body: '{\"n\": }' }", "template-error", "the body of an alert: it makes no JSON"),
        ("{ kind: webhook, url: '${U}', body: '{\"n\": {% if alert.severity == \"error\" %}x{% else %}1{% endif %}}' }", "template-error", "it makes no JSON"),
        ("{ kind: webhook, url: '${U}', body: '{% for i in range(99999999) %}x{% endfor %}' }", "template-too-large", "too much work"),
        ("{ kind: slack, url: '${nope:x}' }", "unknown-reference", "is no known kind of reference"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_by_lint(tmp_path, alert, code, words):
    _, found = linted(tmp_path, f"  a: {alert}")
    assert codes(found) == [code]
    assert words in full(found)


def test_a_body_of_another_type_is_any_text(tmp_path):
    _, found = linted(
        tmp_path,
        "  a: { kind: webhook, url: '${U}', headers: { Content-Type: text/plain }, body: '{{ alert.title }}' }",
    )
    assert found == []


SECRETS = """
  a: { kind: slack, url: "https://hooks.slack.com/services/T1/B2/topsecret1" }
  b: { kind: pagerduty, routing_key: topsecret2, sevrity: high }
  c: { kind: webhook, url: "https://x.example/topsecret3", headers: { authorization: Bearer topsecret4 }, onn: [stale] }
  e: { kind: pagerduty, routing_kee: topsecret6 }
  f: { kind: slack, ulr: "https://hooks.slack.com/services/T1/B2/topsecret7" }
  d: { kind: email, host: h, password: topsecret5, from: a@b.c, to: [a@b.c], tls: nonne }
"""


def test_secrets_that_are_written_out_are_warned_of_and_never_shown(tmp_path):
    _, found = linted(tmp_path, SECRETS)
    shown = full(found)
    assert "topsecret" not in shown
    assert codes(found).count("secret-literal") >= 1
    assert {"unknown-key", "bad-value"} <= set(codes(found))


@pytest.mark.parametrize("signal", ["metrics", "traces"])
def test_variables_of_telemetry_are_kept_from_sql(tmp_path, signal):
    given = f"telemetry: {{ {signal}: {{ kind: otlp, headers: {{ authorization: '${{KEY}}' }} }} }}\nenv: [KEY]"
    (found,) = said(tmp_path, given)
    assert (found.code, f"`telemetry.{signal}` uses it" in found.message) == ("variable-of-connection", True)


def test_variables_of_alerts_are_kept_from_sql(tmp_path):
    base = BASE.replace(
        'sql: "SELECT id, at FROM raw", to: orders', "sql: \"SELECT id, '{{ env.HOOK }}' AS at FROM raw\", to: orders"
    )
    _, found = linted(tmp_path, '  a: { kind: slack, url: "${HOOK}" }', base + "\nenv: [HOOK]")
    assert "variable-of-connection" in codes(found)
    assert "alert `a` uses it" in full(found)


SECRET = "B0GUS7SECRETX"
ADDRESS = f"https://hooks.slack.com/services/T0/{SECRET}"
MISSHAPED = [
    f"alerts: {{ a: {{ kind: slack, url: ['{ADDRESS}'] }} }}",
    f"alerts: {{ a: {{ kind: slack, url: {{ x: '{SECRET}' }} }} }}",
    f"alerts: {{ a: {{ kind: slack, url: {{ '{ADDRESS}': x }} }} }}",
    f"alerts: {{ a: {{ kind: pagerduty, routing_key: [{SECRET}] }} }}",
    f"alerts: {{ a: {{ kind: webhook, url: '${{U}}', headers: {{ authorization: ['Bearer {SECRET}'] }} }} }}",
    f"alerts: {{ a: {{ kind: webhook, url: '${{U}}', headers: 'authorization: Bearer {SECRET}' }} }}",
    f"alerts: {{ a: {{ kind: webhook, url: '${{U}}', headers: [{{ authorization: 'Bearer {SECRET}' }}] }} }}",
    f"alerts: {{ a: '{SECRET}' }}",
    f"alerts: ['{SECRET}']",
    f"alerts: '{SECRET}'",
    f"alerts: [{{ kind: slack, url: '{SECRET}' }}]",
    f"alerts:\n  a:\n    kind: slack\n    url: '${{U}}'\n    url: x{SECRET}",
    f"alerts: {{ a: {{ kind: stdout }} }}\nalerts: {{ a: {{ kind: pagerduty, routing_key: {SECRET} }} }}",
    f"alerts: {{ a: {{ kind: '{ADDRESS}' }} }}",
    f"alerts: {{ a: {{ kind: stdout, on: ['{ADDRESS}'], only: ['{ADDRESS}'] }} }}",
    f"alerts: {{ a: {{ kind: stdout, on: '{ADDRESS}' }} }}",
    f"alerts: {{ '{ADDRESS}': {{ kind: slak }} }}",
    f"alert: {{ a: {{ kind: pagerduty, routing_key: [{SECRET}] }} }}",
    f"telemetry: {{ metrics: {{ kind: otlp, headers: {{ x-honeycomb-team: [{SECRET}] }} }} }}",
    f"telemetry: {{ metrics: {{ kind: otlp, headers: 'x-honeycomb-team={SECRET}' }} }}",
    f"telemetry: {{ metrics: {{ kind: otlp, headers: [{{ x-honeycomb-team: {SECRET} }}] }} }}",
    f"telemetry: {{ metrics: {{ kind: otlp, headers: {{ a: '${{X}}', a: {SECRET} }} }} }}",
    f"telemetry: {{ headers: {{ a: {SECRET} }} }}",
    f"telemetry: {{ metrics: {SECRET} }}",
    f"telemetry: {{ resource: {SECRET} }}",
    f"environments: {{ prod: {{ alerts: {{ a: {{ kind: slack, url: ['{SECRET}'] }} }} }} }}",
    f"telemetry: {{ metrics: {{ kind: otlp, authorization: {SECRET} }} }}",
    f"telemetry: {{ metrics: {{ kind: otlp, auth: {{ a: {SECRET} }} }} }}",
    f"telemetry: {{ metrics: {{ kind: otlp, endpoint: {SECRET} }} }}",
    f"telemetry: {{ metrics: {{ kind: otlp, password: {SECRET} }} }}",
    f"telemetry: {{ metrics: {{ kind: otlp, headers: {{ '{SECRET}': [x y] }} }} }}",
    f"telemetry: {{ traces: {{ kind: otlp, headers: {{ 'x {SECRET}': y }} }} }}",
    f"alerts: {{ a: {{ kind: webhook, url: 'https://h/x', headers: {{ {SECRET} }} }} }}",
    f"alerts: {{ a: {{ kind: slack, webhook: {SECRET} }} }}",
    f"alerts: {{ a: {{ kind: pagerduty, key: {SECRET} }} }}",
    f"telemetry:\n\tmetrics: {{ kind: otlp, headers: {{ x-api-team: Bearer {SECRET} }} }}",
    f"alerts:\n  a:\n    headers:\n      x-team: '{SECRET}'\n   bad: y",
    f"alerts: {{ a: {{ kind: slack, url: '{ADDRESS}' }}",
    f"alerts: {{ a: {{ kind: pagerduty, routing_key: '{SECRET}' }}",
]


@pytest.mark.parametrize("text", MISSHAPED)
def test_a_secret_of_another_shape_is_not_shown(tmp_path, text):
    found = said(tmp_path, text)
    assert any(each.severity is Severity.ERROR for each in found)
    assert "SECRET" not in full(found)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "telemetry: { metrics: { kind: otlp, headers: { x-honeycomb-team: 'SECRET' } } }",
            "`headers` of telemetry.metrics",
        ),
        ("telemetry: { traces: { kind: otlp, endpoint: 'http://u:SECRET@h:4318' } }", "`endpoint` of telemetry.traces"),
        ("alerts: { a: { kind: pagerduty, routing_key: '${K}', url: 'https://u:SECRET@h/x' } }", "`url` of alert `a`"),
    ],
)
def test_secrets_of_what_is_sent_are_warned_of(tmp_path, text, what):
    (found,) = said(tmp_path, text)
    assert (found.code, found.message) == ("secret-literal", f"{what} holds a secret in plain text")
    assert "SECRET" not in full([found])
    assert said(tmp_path, text.replace("SECRET", "${S}")) == []


@pytest.mark.parametrize("endpoint", ["http://[x", "http://h:abc/x", "u:SECRET@h", "collector:4318"])
def test_an_endpoint_that_is_none_is_an_error(tmp_path, endpoint):
    (found,) = said(tmp_path, f"telemetry: {{ metrics: {{ kind: otlp, endpoint: '{endpoint}' }} }}")
    assert (found.code, found.message) == ("bad-value", "`endpoint` of telemetry.metrics is no web address")
    assert "SECRET" not in full([found])


def said(folder, text):
    """What lint says of the project with that."""
    from flowc.compiler import stages
    from flowc.diagnostics import Reporter

    (folder / "a.yaml").write_text(BASE + text + "\n", "utf-8")
    reporter = Reporter()
    stages.lint([folder / "a.yaml"], reporter)
    return reporter.sorted()


def test_words_of_flowc_need_no_filter_in_a_body(tmp_path):
    fields = ["kind", "condition", "subject_kind", "severity", "at", "since", "due_at", "run", "error_code"]
    body = "{" + ", ".join(f'"{field}": "{{{{ alert.{field} }}}}"' for field in fields) + "}"
    _, found = linted(tmp_path, f"  a: {{ kind: webhook, url: '${{U}}', body: '{body}' }}")
    assert found == []


@pytest.mark.parametrize(
    ("owner", "given"),
    [
        ("telemetry.traces", "traces: { kind: otlp, headers: { authorization: '${corp:otlp}' } }"),
        ("telemetry.resource", "resource: { team: '${corp:otlp}' }"),
    ],
)
def test_references_of_telemetry_are_checked_too(tmp_path, owner, given):
    (found,) = said(tmp_path, f"telemetry: {{ {given} }}")
    assert (found.code, found.message) == (
        "unknown-reference",
        f"`${{corp:otlp}}` of {owner} is no known kind of reference",
    )
    assert "the package that has the entry point `corp`" in found.helps[-1]
