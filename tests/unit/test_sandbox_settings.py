"""What the sandbox writes for the engine of a stack's settings."""

from pathlib import Path

import pytest
import yaml

from sandbox.settings import PLACEHOLDER, Settings

SALT = "v1:salt"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump({"encryptionsalt": SALT}), encoding="utf-8")
    return file


class Engine:
    """Encrypts as the CLI does: into the file, another ciphertext each time."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.asked: list[list[str]] = []

    def __call__(self, arguments: list[str]) -> None:
        self.asked.append(arguments)
        content = yaml.safe_load(self.file.read_text("utf-8"))
        for pair in arguments[3:]:
            if pair != "--secret":
                secure = f"v1:{len(self.asked)}:{len(pair)}"
                content["config"][pair.partition("=")[0]] = {"secure": secure}
        self.file.write_text(yaml.safe_dump(content), "utf-8")


def written(file: Path) -> dict[str, object]:
    return yaml.safe_load(file.read_text("utf-8"))["config"]


def secret(ciphertext: str) -> Settings:
    return Settings({"a:plain": 1, "a:token": {"secure": ciphertext}})


def test_the_same_secrets_are_encrypted_once(file: Path) -> None:
    engine = Engine(file)
    secret("v1:x:y").write(file, engine)
    before = written(file)
    secret("v1:x:y").write(file, engine)
    assert len(engine.asked) == 1
    assert written(file) == before
    assert before["a:token"] == {"secure": "v1:1:36"}


def test_another_ciphertext_is_another_secret(file: Path) -> None:
    engine = Engine(file)
    secret("v1:x:y").write(file, engine)
    secret("v1:x:z").write(file, engine)
    values = [arguments[-1] for arguments in engine.asked]
    assert len(set(values)) == 2
    assert all(value.startswith(f"a:token={PLACEHOLDER}") for value in values)


def test_what_was_written_says_nothing_of_the_secret(file: Path) -> None:
    settings = Settings({})
    settings.set("a:token", "canary-4711", secret=True)
    settings.write(file, lambda arguments: None)
    assert not [path for path in file.parent.iterdir() if "canary" in path.read_text("utf-8")]


def test_a_secret_that_is_removed_is_gone(file: Path) -> None:
    engine = Engine(file)
    secret("v1:x:y").write(file, engine)
    Settings({"a:plain": 1}).write(file, engine)
    assert written(file) == {"a:plain": 1}
