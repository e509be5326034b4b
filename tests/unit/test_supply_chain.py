"""What the platform is made of: locked, listed, and looked up, or said not to be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.version import Version
from pip_audit._format import JsonFormat
from pip_audit._service import (
    ResolvedDependency,
    SkippedDependency,
    VulnerabilityResult,
)
from pip_audit._service.interface import VulnerabilityID

import charts
from ops import UserError
from ops.audit import FOUND, NOT_ASKED, Answer, answer_of, ask
from ops.commands import main
from ops.images import images
from ops.sbom import PROGRAM, TOOLS, bill, locked
from ops.stack_files import ROOT, STACK_FILES

DIGEST = "0123456789abcdef" * 4
LOCKS = {PROGRAM: "requirements.in", TOOLS: "requirements-dev.in"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_locked_with_the_hashes_of_its_files(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert len(locked(lock)) == len(re.findall(r"^[a-zA-Z0-9]", text, re.MULTILINE))
    for package in locked(lock):
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in package.hashes), package
    # From wherever the packages come: the hashes are what counts.
    assert "--index-url" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_what_is_written_by_hand_is_pinned_and_locked_as_it_stands_there(lock: Path) -> None:
    known = {package.name: package.version for package in locked(lock)}
    lines = (ROOT / LOCKS[lock]).read_text(encoding="utf-8").splitlines()
    wanted = [line.partition("#")[0].strip() for line in lines if line[:1].isalpha()]
    assert wanted
    for line in wanted:
        name, pinned, version = line.partition("==")
        assert pinned, line
        assert known[re.sub(r"\[.*\]", "", name)] == version, "run: make lock"


@pytest.mark.parametrize(
    "line",
    ["rich==15.0.0", "rich>=15 --hash=sha256:" + DIGEST, "rich==15.0.0 --hash=md5:" + DIGEST],
)
def test_a_package_without_a_version_or_a_hash_is_refused(tmp_path: Path, line: str) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"# made by hand\n{line}\n")
    with pytest.raises(UserError, match=r"requirements.txt: rich has no locked hashes; run: make"):
        locked(lock)


# The bill of materials


def components(document: dict[str, Any], prefix: str) -> dict[str, dict[str, Any]]:
    found = document["components"]
    return {c["name"]: c for c in found if c["purl"].startswith(f"pkg:{prefix}/")}


@pytest.mark.parametrize("stack", STACK_FILES)
def test_the_bill_of_every_stack_is_what_cyclonedx_says_a_bill_is(stack: str) -> None:
    text = json.dumps(bill(stack, STACK_FILES[stack]))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_a_bill_that_is_none_is_refused_by_the_same_check() -> None:
    document = bill("dev", STACK_FILES["dev"])
    document["components"][0]["type"] = "no such type"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))


def test_the_bill_has_all_that_a_stack_is_made_of_and_by() -> None:
    document = bill("dev", STACK_FILES["dev"])
    packages = components(document, "pypi")
    assert {p.name for p in locked(TOOLS)} == set(packages)
    assert packages["pulumi"]["scope"] == "required"
    assert packages["pytest"]["scope"] == "excluded"
    [files] = packages["pulumi"]["externalReferences"]
    assert files["hashes"]
    assert set(components(document, "helm")) == {
        "tempo-distributed",
        "opentelemetry-collector",
        "traefik",
    }
    tempo = components(document, "helm")["tempo-distributed"]
    assert tempo["hashes"] == [{"alg": "SHA-256", "content": charts.TEMPO_DISTRIBUTED.sha256}]
    listed = {image.name for image in images("dev").listed}
    assert set(components(document, "docker")) == listed
    plugins = components(document, "generic")
    versions = {name.rpartition("-")[2]: plugin["version"] for name, plugin in plugins.items()}
    locked_versions = {package.name: package.version for package in locked(PROGRAM)}
    assert versions == {
        "kubernetes": locked_versions["pulumi-kubernetes"],
        "minio": locked_versions["pulumi-minio"],
        "random": locked_versions["pulumi-random"],
        "grafana": locked_versions["pulumiverse-grafana"],
    }
    module = (ROOT / "tools/go.mod").read_text(encoding="utf-8")
    modules = components(document, "golang")
    assert len(modules) == len(re.findall(r"^\t\S+ v", module, re.MULTILINE))
    assert "github.com/pulumi/pulumi/pkg/v3" in modules
    [edges] = document["dependencies"]
    assert len(edges["dependsOn"]) == len(set(edges["dependsOn"])) == len(document["components"])


def test_digests_of_the_stack_file_are_in_its_bill_and_missing_ones_are_said(
    tmp_path: Path,
) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(
        f"""config:
  tracing:charts: {{digests: {{traefik-{charts.TRAEFIK.version}.tgz: "{DIGEST}"}}}}
  tracing:traefik: {{}}
  tracing:collector: {{image: "registry.example.com/team/otelcol:1.0@sha256:{DIGEST}"}}
  tracing:harness: {{install: release}}
  tracing:kubernetes: {{existingNamespaces: [harness]}}
""",
        encoding="utf-8",
    )
    document = bill("dev", file)
    hashes = [{"alg": "SHA-256", "content": DIGEST}]
    assert components(document, "helm")["traefik"]["hashes"] == hashes
    [image] = components(document, "oci").values()
    assert image["hashes"] == hashes
    assert image["purl"] == (
        f"pkg:oci/otelcol@sha256:{DIGEST}?repository_url=registry.example.com/team/otelcol&tag=1.0"
    )
    unknown = {"name": "tracing:digest", "value": "not pinned"}
    for image in components(document, "docker").values():
        assert unknown in image["properties"]
        assert "hashes" not in image
    assert unknown in components(document, "helm")["harness"]["properties"]
    [harness] = document["metadata"]["properties"]
    assert harness["name"] == "tracing:unlisted:harness-release"


def test_the_same_stack_has_the_same_bill_and_another_one_another_serial_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "bill.json"
    assert main(["sbom", "--stack", "dev", "--output", str(written)]) == 0
    assert main(["sbom", "--stack", "dev"]) == 0
    text = written.read_text(encoding="utf-8")
    assert capsys.readouterr().out == text
    assert "timestamp" not in text
    other = bill("staging", STACK_FILES["staging"])
    assert other["serialNumber"] != json.loads(text)["serialNumber"]


# Known vulnerabilities


def report(**results: list[VulnerabilityResult] | str) -> dict[str, Any]:
    """What pip-audit writes: a list of findings for a package, or why it was skipped."""
    resolved: dict[Any, Any] = {
        ResolvedDependency(name=name, version=Version("1.0"))
        if isinstance(found, list)
        else SkippedDependency(name=name, skip_reason=found): found
        if isinstance(found, list)
        else []
        for name, found in results.items()
    }
    return json.loads(JsonFormat(True, True).format(resolved, []))


def finding(*fixed: str) -> VulnerabilityResult:
    versions = [Version(version) for version in fixed]
    names = VulnerabilityID("PYSEC-2026-1"), VulnerabilityID("CVE-2026-1")
    return VulnerabilityResult(names[0], "An overflow.", versions, {names[1]})


def test_a_vulnerability_is_named_with_the_version_that_mends_it() -> None:
    answer = answer_of(report(good=[], bad=[finding("1.1", "2.0")], worse=[finding()]))
    assert answer.vulnerabilities == (
        "bad 1.0: PYSEC-2026-1 (CVE-2026-1), fixed in 1.1, 2.0",
        "worse 1.0: PYSEC-2026-1 (CVE-2026-1), open",
    )
    assert answer.asked == 3
    assert answer.code == FOUND


def test_only_an_answer_for_every_package_means_that_nothing_is_known() -> None:
    assert answer_of(report(good=[], fine=[])).code == 0
    some = answer_of(report(good=[], odd="Dependency not found"))
    assert some == Answer(vulnerabilities=(), asked=1, skipped=("odd: Dependency not found",))
    assert some.code == NOT_ASKED
    assert answer_of(report(odd="Dependency not found")).code == NOT_ASKED
    assert answer_of(report()).code == NOT_ASKED
    assert answer_of(report(odd="not found", bad=[finding()])).code == FOUND


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers on the way out."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def one_package(directory: Path) -> Path:
    lock = directory / "requirements.txt"
    lock.write_text(f"rich==15.0.0 --hash=sha256:{DIGEST}\n")
    return lock


@pytest.mark.usefixtures("no_network")
def test_where_nobody_can_be_asked_that_is_the_answer_and_not_that_nothing_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--lock", str(one_package(tmp_path))]) == NOT_ASKED
    printed = capsys.readouterr()
    assert "pypi: " in printed.out
    assert "osv: " in printed.out
    assert "No service of vulnerabilities could be asked, so nothing is known" in printed.err
    assert "Traceback" not in printed.out + printed.err


def test_a_lock_that_is_not_there_is_no_answer_either(tmp_path: Path) -> None:
    assert isinstance(ask("pypi", tmp_path / "no-such.txt"), str)
