"""Set-up of the environment: what is installed from where, and what is said when something is missing."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "setup_env.py"


@pytest.fixture
def setup_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, working on a copy of the pins in a folder with a space; pip calls are recorded in `calls`."""
    spec = importlib.util.spec_from_file_location("setup_env", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = tmp_path / "a b"
    (root / "requirements").mkdir(parents=True)
    for name in ("requirements/constraints.txt", "requirements/torch.txt", "pyproject.toml"):
        (root / name).write_bytes((SCRIPT.parent.parent / name).read_bytes())
    module.ROOT, module.VENV = root, root / ".venv"
    module.STAMP = module.VENV / "vqseg-setup.json"
    module.PINS = [root / "requirements" / "constraints.txt", root / "requirements" / "torch.txt"]
    module.calls = []
    monkeypatch.setattr(module, "pip", lambda *arguments: module.calls.append(arguments) or 0)
    monkeypatch.setattr(module, "check_imports", lambda: None)
    monkeypatch.setattr(module, "can_reach_cpu_index", lambda: False)
    monkeypatch.setattr(module, "make_venv", lambda _python: _link_python(module))
    monkeypatch.delenv("CUDA", raising=False)
    return module


def _link_python(module: ModuleType) -> None:
    """Make the environment's Python a script that runs this one."""
    module.VENV.mkdir(exist_ok=True)
    monkey = module.VENV / "python"
    module.venv_python = lambda: monkey
    if not monkey.exists():
        monkey.symlink_to(sys.executable)


def _run(module: ModuleType, purpose: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["setup_env.py", purpose])
    return module.main()


needs_links = pytest.mark.skipif(sys.platform == "win32", reason="making links needs rights on Windows")


@needs_links
def test_second_run_installs_nothing_until_the_pins_change(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(setup_env, "test", monkeypatch) == 0
    first = len(setup_env.calls)
    assert first > 0
    assert _run(setup_env, "test", monkeypatch) == 0
    assert _run(setup_env, "demo", monkeypatch) == 0
    assert len(setup_env.calls) == first
    with setup_env.PINS[0].open("a") as stream:
        stream.write("# changed\n")
    assert _run(setup_env, "test", monkeypatch) == 0
    assert len(setup_env.calls) == 2 * first


@needs_links
def test_demo_environment_grows_for_the_tests(setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(setup_env, "demo", monkeypatch)
    _run(setup_env, "test", monkeypatch)
    targets = [call[-1] for call in setup_env.calls if "--editable" in call]
    assert [target.rpartition("[")[2] for target in targets] == ["report]", "test]"]


def test_cpu_index_is_used_for_torch_only(setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_env, "can_reach_cpu_index", lambda: True)
    setup_env.install("demo")
    torch_call, rest = setup_env.calls
    assert torch_call[-1].startswith("torch==")
    assert setup_env.CPU_INDEX in torch_call
    assert setup_env.CPU_INDEX not in rest


@pytest.mark.parametrize(("reachable", "cuda"), [(False, "0"), (True, "1")])
def test_usual_index_without_the_cpu_index_or_with_cuda(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, reachable: bool, cuda: str
) -> None:
    monkeypatch.setattr(setup_env, "can_reach_cpu_index", lambda: reachable)
    monkeypatch.setenv("CUDA", cuda)
    setup_env.install_torch()
    assert len(setup_env.calls) == 1
    assert setup_env.CPU_INDEX not in setup_env.calls[0]


def test_usual_index_when_the_cpu_index_fails(setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_env, "can_reach_cpu_index", lambda: True)
    statuses = iter([1, 0])
    monkeypatch.setattr(setup_env, "pip", lambda *call: setup_env.calls.append(call) or next(statuses))
    setup_env.install_torch()
    assert [setup_env.CPU_INDEX in call for call in setup_env.calls] == [True, False]


@pytest.mark.parametrize("step", ["install_torch", "install"])
def test_failing_pip_ends_set_up(setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(setup_env, "pip", lambda *_call: 1)
    if step == "install":
        monkeypatch.setattr(setup_env, "install_torch", lambda: None)
    with pytest.raises(setup_env.SetupError, match="could not be installed"):
        setup_env.install("demo")


def test_unreachable_index_is_found_out_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("setup_env", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def fail(*_args: object, **_kwargs: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(module.urllib.request, "urlopen", fail)
    assert module.can_reach_cpu_index() is False


def test_missing_python_is_named_with_the_line_that_installs_it(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        setup_env.subprocess, "run", lambda *_args, **_kwargs: SimpleNamespace(stdout=b"3.9\n", returncode=0)
    )
    assert _run(setup_env, "test", monkeypatch) == 2
    assert "apt-get install python3.12 python3.12-venv" in capsys.readouterr().err


def test_missing_venv_module_is_named_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("setup_env", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT, module.VENV = tmp_path, tmp_path / ".venv"
    answers = {"-c": SimpleNamespace(stdout=b"3.11\n", returncode=0), "-m": SimpleNamespace(stdout=b"no", returncode=1)}
    monkeypatch.setattr(module.subprocess, "run", lambda command, **_kwargs: answers[command[1]])
    with pytest.raises(module.SetupError, match=r"apt-get install python3\.11-venv"):
        module.make_venv("python3.11")


def test_unknown_purpose_is_refused(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(setup_env, "party", monkeypatch) == 2
    assert "demo, test" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("ImportError: libgomp.so.1: cannot open shared object file: No such file", "apt-get install libgomp1"),
        ("ImportError: libfoo.so.3: cannot open shared object file: No such file", "libfoo.so.3"),
        ("Traceback\nImportError: wrong version", "ImportError: wrong version"),
        ("", "without a message"),
    ],
)
def test_failed_import_is_explained(setup_env: ModuleType, output: str, words: str) -> None:
    assert words in setup_env.explain_import_failure(output)


def test_script_is_understood_by_an_old_python() -> None:
    import ast

    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_every_pin_is_exact_and_torch_is_apart() -> None:
    lines = (SCRIPT.parent.parent / "requirements" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(line.count("==") == 1 for line in pins)
    assert not [line for line in pins if line.startswith("torch==")]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_lints_before_it_tests() -> None:
    result = subprocess.run(
        ["make", "--dry-run", "test"],
        cwd=SCRIPT.parent.parent,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert 0 < result.stdout.index("ruff format --check") < result.stdout.index("-m pytest")
