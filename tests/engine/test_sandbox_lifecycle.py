"""The life of a stack in the sandbox, on a small platform that uses every provider."""

import base64
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from sandbox import PLACEHOLDER, Sandbox, SandboxError

PLATFORM = Path(__file__).parent / "programs" / "platform"
CANARY = "canary-7f3d9c"


@pytest.fixture
def platform():
    with Sandbox(PLATFORM) as box:
        yield box


def hashes(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_stack_goes_up_stays_as_it_is_and_comes_down(platform):
    assert platform.preview().changes == {"create": 16}
    assert platform.cloud.objects() == []

    assert platform.up().changes == {"create": 16}
    assert platform.preview().changes == {}
    refresh = platform.refresh()
    assert refresh.changes == {}
    assert len(refresh.steps) == 16

    assert platform.destroy().changes == {"delete": 16}
    assert platform.cloud.objects() == []
    assert platform.resources() == []


def test_the_sandbox_counts_as_the_cli_does(platform):
    preview = platform.preview()

    assert f"{preview.changes['create']} to create" in preview.text


def test_one_changed_setting_touches_one_resource(platform):
    platform.up()

    platform.set_config("platform:tempo.retention", "24h")
    [step] = platform.preview().changed()

    assert (step.op, step.name, step.diffs) == ("update", "tempo", ["values.retention"])
    assert step.old_inputs["values"]["retention"] == "48h"
    assert step.new_inputs["values"]["retention"] == "24h"


def test_a_preview_does_not_know_what_an_update_computes(platform):
    text = platform.preview().text

    assert "release   : [unknown]" in text
    assert "policy    : [unknown]" in text


def test_secrets_are_nowhere_in_clear(platform):
    platform.set_config("platform:password", CANARY, secret=True)
    shown = []
    for operation in (platform.preview, platform.up, platform.preview, platform.refresh):
        result = operation()
        shown += [result.text, json.dumps(result.events)]
    outputs = platform.outputs()
    secrets = [CANARY, outputs["secret_key"].value]
    [secret] = platform.cloud.objects("kubernetes", "Secret")
    generated = base64.b64decode(secret.properties["data"]["other"]).decode()
    secrets += [generated, *[base64.b64encode(text.encode()).decode() for text in secrets]]
    shown += [path.read_text("utf-8") for path in platform.state_files]

    assert outputs["secret_key"].secret
    assert not outputs["bucket"].secret
    # The canary did get where it belongs.
    assert base64.b64decode(secret.properties["data"]["password"]).decode() == CANARY
    assert [(text, secret) for secret in secrets for text in shown if secret in text] == []


def test_a_value_that_cannot_be_decrypted_is_replaced_and_stays_secret(platform):
    platform.up()

    [secret] = platform.cloud.objects("kubernetes", "Secret")
    password = base64.b64decode(secret.properties["data"]["password"]).decode()
    assert password.startswith(PLACEHOLDER)
    files = [path.read_text("utf-8") for path in platform.state_files]
    assert not any(password in text for text in files)


def test_a_secret_that_the_project_needs_and_the_stack_lacks_gets_a_placeholder(tmp_path):
    project = tmp_path / "project"
    (project / "config").mkdir(parents=True)
    (project / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (project / "config" / "__init__.py").write_text(
        "def required_secrets(raw):\n    return [] if 'p:given' in raw else ['p:token']\n"
    )
    (project / "__main__.py").write_text(
        "import pulumi\npulumi.export('token', pulumi.Config().require_secret('token'))\n"
    )

    with Sandbox(project) as box:
        box.up()
        token = box.outputs()["token"]

    assert token.secret
    assert token.value.startswith(PLACEHOLDER)


def test_the_project_is_not_touched(tmp_path):
    project = tmp_path / "project"
    shutil.copytree(PLATFORM, project)
    before = hashes(project)

    with Sandbox(project) as box:
        box.set_config("platform:replicas", 2)
        box.up()
        box.refresh()
        box.destroy()

    assert hashes(project) == before


def test_state_and_clouds_survive_in_a_directory_that_is_given(tmp_path):
    with Sandbox(PLATFORM, directory=tmp_path / "box") as box:
        box.up()
    with Sandbox(PLATFORM, directory=tmp_path / "box") as box:
        assert box.preview().changes == {}
        assert box.destroy().changes == {"delete": 16}
        assert box.cloud.objects() == []


def test_a_temporary_sandbox_leaves_nothing(platform):
    platform.preview()
    platform.close()

    assert not platform.directory.exists()


def test_two_stacks_of_one_project_do_not_meet():
    with Sandbox(PLATFORM) as one, Sandbox(PLATFORM) as other:
        one.up()

        assert other.cloud.objects() == []
        assert other.preview().changes == {"create": 16}


def test_a_mistake_in_a_program_is_told_with_its_place_and_without_a_traceback(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (tmp_path / "helper.py").write_text("def fail():\n    raise KeyError('endpoint')\n")
    (tmp_path / "__main__.py").write_text("import helper\n\nhelper.fail()\n")

    with Sandbox(tmp_path) as box, pytest.raises(SandboxError) as refusal:
        box.preview()

    assert str(refusal.value).splitlines() == [
        "KeyError: 'endpoint'",
        "  __main__.py:3 in <module>",
        "  helper.py:2 in fail",
    ]


def test_a_changed_program_is_read_anew_and_the_callers_modules_stay(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    module = tmp_path / "base64.py"
    (tmp_path / "__main__.py").write_text(
        "import pulumi, base64\npulumi.export('answer', base64.ANSWER)\n"
    )
    answers = []

    with Sandbox(tmp_path) as box:
        for answer in ("one", "two, longer"):
            module.write_text(f"ANSWER = {answer!r}\n")
            box.up()
            answers.append(box.outputs()["answer"].value)

    assert answers == ["one", "two, longer"]
    assert base64.b64encode(b"still the library's")
    import base64 as imported_again

    assert imported_again is base64


def test_types_that_are_changed_are_loaded_anew_and_only_then(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (tmp_path / "config").mkdir()
    module = tmp_path / "config" / "__init__.py"
    (tmp_path / "__main__.py").write_text(
        "import pulumi, config\npulumi.export('answer', f'{config.ANSWER} {id(config)}')\n"
    )
    answers = []

    with Sandbox(tmp_path) as box:
        for answer in ("one", "one", "two, longer"):
            text = f"ANSWER = {answer!r}\n\ndef required_secrets(raw):\n    return []\n"
            if not module.exists() or module.read_text() != text:
                module.write_text(text)
            box.up()
            answers.append(box.outputs()["answer"].value)

    assert answers[0] == answers[1]
    assert [answer.rpartition(" ")[0] for answer in answers] == ["one", "one", "two, longer"]
