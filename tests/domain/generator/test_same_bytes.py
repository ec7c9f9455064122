"""The folder of a run: the same for the same seed and size, private, and never written over."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from zeren.generator.generate import generate


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_and_size_give_the_same_bytes(tmp_path: Path) -> None:
    """Two runs of one seed and size are the same in every file, keys included."""
    generate(tmp_path / "a", trainees=40, seed=5)
    generate(tmp_path / "b", trainees=40, seed=5)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


@pytest.mark.parametrize(("trainees", "seed"), [(40, 6), (41, 5)])
def test_another_seed_or_size_gives_other_bytes(tmp_path: Path, trainees: int, seed: int) -> None:
    """No file of another run is the same; so nothing is constant that ought to vary."""
    generate(tmp_path / "a", trainees=40, seed=5)
    generate(tmp_path / "b", trainees=trainees, seed=seed)
    one, other = digests(tmp_path / "a"), digests(tmp_path / "b")
    assert [name for name in one if other.get(name) == one[name]] == []


def test_only_the_owner_may_read_the_folder(tmp_path: Path) -> None:
    """Keys and personal values: folders have mode 0700, files 0600."""
    generate(tmp_path / "a", trainees=30)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*")}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert modes == {True: 0o700, False: 0o600}


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """Nothing is written over."""
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(FileExistsError, match="not empty"):
        generate(tmp_path, trainees=30)


def test_too_few_trainees_are_refused(tmp_path: Path) -> None:
    """Fewer than 30 trainees can't show every case."""
    with pytest.raises(ValueError, match="at least 30"):
        generate(tmp_path / "a", trainees=29)


@pytest.mark.parametrize("trainees", [31, 47, 74, 99, 101, 149, 237, 451])
def test_any_size_works(tmp_path: Path, trainees: int) -> None:
    """Sizes between the usual ones find room for every case as well."""
    assert generate(tmp_path / "a", trainees=trainees, seed=trainees).trainees == trainees
