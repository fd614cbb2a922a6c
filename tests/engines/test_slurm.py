"""The array script, with the environment that Slurm gives to its elements."""

import os
import signal
import subprocess

from conftest import ROOT, holder, same_audit, same_books, same_outputs

from parable import parts


def element(binary, shards, out, rank, count):
    slurm = {
        "SLURM_ARRAY_TASK_ID": str(rank),
        "SLURM_ARRAY_TASK_COUNT": str(count),
        "SLURM_CPUS_PER_TASK": "1",
    }
    ours = {"IN": str(shards), "OUT": str(out), "PARABLE": binary, "POLICY": "condition"}
    script = ROOT / "examples/slurm-array.sh"
    return subprocess.Popen([script], env={**os.environ, **slurm, **ours}, stderr=subprocess.PIPE)


def test_an_array_in_any_order_with_a_kill(binary, shards, whole_run, tmp_path):
    out = tmp_path / "out"
    killed = element(binary, shards, out, 2, 3)
    assert holder(out / "part-00002/.parable/lock") == killed.pid
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    for rank in [2, 0, 1]:
        done = element(binary, shards, out, rank, 3)
        assert done.wait() == 0, done.stderr.read()
    alone = element(binary, shards, out, 0, 1)
    assert alone.wait() == 2 and b"other settings" in alone.stderr.read()
    folders = sorted(out.glob("part-*"))
    same_outputs(out, whole_run)
    same_books(parts.merge(folders), whole_run)
    same_audit(folders, whole_run)


def test_parts_with_other_settings_do_not_merge(binary, shards, tmp_path):
    import pytest

    import parable

    for rank, seed in enumerate([0, 1]):
        words = ["scan", shards, "-o", tmp_path / str(rank), "--seed", seed, "--rank", rank, "--world-size", 2, "-q"]
        subprocess.run([binary, *map(str, words)], check=True)
    with pytest.raises(parable.RunError, match="seed"):
        parts.merge([tmp_path / "0", tmp_path / "1"])
    with pytest.raises(parable.RunError, match="more than one part"):
        parts.merge([tmp_path / "0", tmp_path / "0"])
