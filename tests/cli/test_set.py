"""`asya set`: one wanted change, checked, written in one step."""

from pathlib import Path

import pytest

from tests.support.asya_command import asya

TEXT = """\
# owned by team nlp
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata:
  name: hello # keep
spec:
  transport: "rabbitmq"
  workload:
    template:
      spec:
        containers:
          - name: asya-runtime
            image: 'registry.example.com/hello:1.0.0' # the app
            env:
              - name: ASYA_HANDLER
                value: hello.greet
              - {name: SECRET, valueFrom: {secretKeyRef: {name: a, key: b}}}
          - {name: cache, image: "redis:7"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hello.yaml"
    path.write_text(TEXT)
    return path


def test_the_image_of_the_runtime_is_set(file: Path) -> None:
    done = asya("set", "image", file, "registry.example.com/hello:2.0.0")
    assert (done.returncode, done.stdout) == (0, "")
    assert file.read_text() == TEXT.replace("hello:1.0.0", "hello:2.0.0")


def test_images_of_several_containers_are_set_at_once(file: Path) -> None:
    assert asya("set", "image", file, "cache=redis:8", "asya-runtime=x:2").returncode == 0
    expected = TEXT.replace("registry.example.com/hello:1.0.0", "x:2").replace("redis:7", "redis:8")
    assert file.read_text() == expected


def test_an_unknown_container_is_refused_and_the_known_ones_are_named(file: Path) -> None:
    done = asya("set", "image", file, "web=x:2")
    assert done.returncode == 2
    assert "no container is called web; there are asya-runtime, cache" in done.stderr
    assert file.read_text() == TEXT


def test_scaling_is_set_with_the_types_of_the_schema(file: Path) -> None:
    assert asya("set", "scaling", file, "enabled=true", "maxReplicas=20", "advanced.target=4").returncode == 0
    assert file.read_text() == TEXT + (
        '  scaling:\n    enabled: true\n    maxReplicas: 20\n    advanced:\n      target: "4"\n'
    )


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("maxReplica=3", "did you mean maxReplicas?"),
        ("speed=3", "known are enabled, minReplicas"),
        ("maxReplicas=many", 'spec.scaling.maxReplicas: expected an integer from 1 to 1000, got "many"'),
        ("maxReplicas=0", "expected an integer from 1 to 1000, got 0"),
        ("minReplicas=60", "scaling.minReplicas must not be greater than scaling.maxReplicas"),
        ("advanced=1", "is a block"),
        ("enabled", "expected NAME=VALUE, got 'enabled'"),
    ],
)
def test_a_wrong_scaling_value_is_refused_and_nothing_is_written(file: Path, argument: str, words: str) -> None:
    done = asya("set", "scaling", file, argument)
    assert done.returncode == 2
    assert words in done.stderr
    assert file.read_text() == TEXT


def test_environment_is_changed_added_and_removed(file: Path) -> None:
    assert asya("set", "env", file, "ASYA_HANDLER=hello.shout", "DEBUG=yes", "SECRET-").returncode == 0
    expected = TEXT.replace("hello.greet", "hello.shout").replace(
        "              - {name: SECRET, valueFrom: {secretKeyRef: {name: a, key: b}}}\n",
        '              - {name: DEBUG, value: "yes"}\n',
    )
    assert file.read_text() == expected


def test_environment_of_the_sidecar_is_set(file: Path) -> None:
    assert asya("set", "env", file, "--sidecar", "ASYA_LOG_LEVEL=DEBUG").returncode == 0
    assert file.read_text() == TEXT + "  sidecar:\n    env:\n      - name: ASYA_LOG_LEVEL\n        value: DEBUG\n"


def test_environment_of_another_container_is_set(file: Path) -> None:
    assert asya("set", "env", file, "-c", "cache", "A=1").returncode == 0
    assert '- {name: cache, image: "redis:7", env: [{name: A, value: "1"}]}\n' in file.read_text()


def test_a_variable_the_controller_sets_is_refused(file: Path) -> None:
    done = asya("set", "env", file, "--sidecar", "ASYA_QUEUE_NAME=x")
    assert done.returncode == 2
    assert "sidecar.env must not set a variable that the controller sets" in done.stderr
    assert file.read_text() == TEXT


def test_a_value_from_elsewhere_is_not_overwritten_silently(file: Path) -> None:
    done = asya("set", "env", file, "SECRET=x")
    assert done.returncode == 2
    assert "SECRET has a valueFrom; take it away first: SECRET-" in done.stderr


def test_the_handler_cannot_be_removed(file: Path) -> None:
    done = asya("set", "env", file, "ASYA_HANDLER-")
    assert done.returncode == 2
    assert "must set the environment variable ASYA_HANDLER" in done.stderr
    assert file.read_text() == TEXT


def test_mistakes_that_were_there_before_do_not_stand_in_the_way(file: Path) -> None:
    file.write_text(TEXT.replace("  transport:", "  extra: 1\n  transport:"))
    assert asya("set", "image", file, "x:2").returncode == 0


def test_a_dry_run_prints_the_file_and_leaves_it_alone(file: Path) -> None:
    done = asya("set", "image", file, "x:2", "--dry-run")
    assert done.stdout == TEXT.replace("registry.example.com/hello:1.0.0", "x:2")
    assert file.read_text() == TEXT


def test_a_value_that_is_set_already_leaves_the_file_untouched(file: Path) -> None:
    before = file.stat()
    done = asya("set", "image", file, "registry.example.com/hello:1.0.0")
    assert "nothing to change" in done.stderr
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_one_of_several_actors_is_chosen_by_name(file: Path) -> None:
    file.write_text(TEXT + "---\n" + TEXT.replace("name: hello", "name: other"))
    undecided = asya("set", "image", file, "x:2")
    assert undecided.returncode == 2
    assert "choose one with --actor: hello, other" in undecided.stderr
    assert asya("set", "image", file, "x:2", "--actor", "other").returncode == 0
    first, second = file.read_text().split("---\n")
    assert first == TEXT
    assert "image: 'x:2' # the app" in second


def test_mode_and_links_of_the_file_survive(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    assert asya("set", "image", link, "x:2").returncode == 0
    assert link.is_symlink()
    assert "x:2" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hello.yaml", "link.yaml"]


def test_a_file_that_does_not_parse_is_a_usage_mistake_with_its_place(file: Path) -> None:
    file.write_text(TEXT + "\tx")
    done = asya("set", "image", file, "x:2")
    assert done.returncode == 2
    assert done.stderr.startswith(f"{file}:19:1: ")


@pytest.mark.parametrize("name", ["none.yaml", ".", "a.json"])
def test_what_cannot_be_edited_is_a_usage_mistake(tmp_path: Path, name: str) -> None:
    done = asya("set", "image", tmp_path / name, "x:2")
    assert done.returncode == 2
    assert done.stderr.startswith(f"asya: {tmp_path / name}: ")
