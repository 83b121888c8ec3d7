"""The Helm chart, rendered by Helm's own engine and checked against Kubernetes' schemas, without a helm binary."""

import base64
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

HAS_HELM = all(importlib.util.find_spec(name) for name in ("helm_python", "kubernetes_validate"))
pytestmark = pytest.mark.skipif(not HAS_HELM, reason="pip install -e '.[charts]' renders the chart")

CHART = Path(__file__).parents[2] / "charts" / "fencepost"
GIVEN = {
    "databaseUrl": "postgresql://u:p@db/fencepost",
    "redisUrl": "redis://cache:6379/0",
    "secrets": {"streamKey": base64.b64encode(b"k" * 32).decode()},
}
KUBERNETES = ("1.27", "1.34")


def render(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    import helm_python

    with helm_python.Chart.load(str(CHART)) as chart:
        rendered = chart.render(values, name="demo", namespace="ns")
    text = (
        rendered
        if isinstance(rendered, str)
        else "\n---\n".join(source for name, source in dict(rendered).items() if name.endswith(".yaml"))
    )
    return (document for document in yaml.safe_load_all(text) if document)


def by_kind(values: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for document in render(values):
        found.setdefault(document["kind"], []).append(document)
    return found


def test_a_deployment_per_process() -> None:
    names = {document["metadata"]["name"] for document in by_kind(GIVEN)["Deployment"]}
    assert names == {f"demo-fencepost-{process}" for process in ("api", "ingest", "encode", "jobs", "schedule")}


def test_slack_is_a_process_of_its_own_when_enabled() -> None:
    names = {document["metadata"]["name"] for document in by_kind({**GIVEN, "slack": {"enabled": True}})["Deployment"]}
    assert "demo-fencepost-slack" in names


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"slack": {"enabled": True}, "dashboards": {"enabled": True}},
        {"ingress": {"enabled": True, "host": "fp.example.com", "tlsSecret": "tls"}},
    ],
)
def test_every_document_is_valid_kubernetes(version: str, more: dict[str, Any]) -> None:
    import kubernetes_validate

    for document in render({**GIVEN, **more}):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_given_secret_is_not_made_again() -> None:
    kinds = by_kind({"secrets": {"existing": "mine"}})
    assert "Secret" not in kinds
    text = yaml.safe_dump(kinds["Deployment"])
    assert "name: mine" in text


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({**GIVEN, "databaseUrl": ""}, "databaseUrl"),
        ({**GIVEN, "redisUrl": ""}, "redisUrl"),
        ({**GIVEN, "secrets": {}}, "streamKey"),
        ({**GIVEN, "databaseUrl": "mysql://x"}, "databaseUrl"),
        ({**GIVEN, "secrets": {"streamKey": "short"}}, "streamKey"),
        ({**GIVEN, "typo": 1}, "typo"),
        ({**GIVEN, "metrics": {"serviceMonitor": {"enabled": True}}}, "keySecret"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, Any], names: str) -> None:
    with pytest.raises(Exception, match=names):
        list(render(values))


def test_containers_run_without_root_and_with_a_read_only_root() -> None:
    for deployment in by_kind(GIVEN)["Deployment"]:
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in pod["containers"])


def test_no_service_of_the_namespace_becomes_a_setting() -> None:
    """A Service named fencepost would put FENCEPOST_PORT=tcp://… into every pod, and no process would start."""
    pods = [deployment["spec"]["template"]["spec"] for deployment in by_kind(GIVEN)["Deployment"]]
    assert [pod.get("enableServiceLinks") for pod in pods] == [False] * 5


def test_a_given_claim_is_shared_by_all_processes() -> None:
    pods = [one["spec"]["template"]["spec"] for one in by_kind({**GIVEN, "existingClaim": "shared"})["Deployment"]]
    claims = [
        volume.get("persistentVolumeClaim") for pod in pods for volume in pod["volumes"] if volume["name"] == "data"
    ]
    assert claims == [{"claimName": "shared"}] * 5


def test_prometheus_and_grafana_find_what_they_look_for_only_when_asked_to() -> None:
    assert by_kind(GIVEN).keys() == {"Deployment", "Service", "Secret"}
    monitor = {"enabled": True, "keySecret": "scrape", "labels": {"release": "prometheus"}}
    asked = {"metrics": {"serviceMonitor": monitor, "rules": {"enabled": True}}, "dashboards": {"enabled": True}}
    kinds = by_kind({**GIVEN, **asked})
    (found,), (service,) = kinds["ServiceMonitor"], kinds["Service"]
    (endpoint,) = found["spec"]["endpoints"]
    assert found["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["authorization"]["credentials"] == {"name": "scrape", "key": "key"}
    assert found["metadata"]["labels"]["release"] == "prometheus"
    (rules,), (dashboards,) = kinds["PrometheusRule"], kinds["ConfigMap"]
    assert rules["spec"] == yaml.safe_load((CHART / "rules" / "fencepost.yaml").read_text("utf-8"))
    assert dashboards["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboards["data"]["fencepost.json"] == (CHART / "dashboards" / "fencepost.json").read_text("utf-8")
