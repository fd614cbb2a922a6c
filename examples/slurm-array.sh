#!/usr/bin/env bash
# One run of parable over many nodes, as a Slurm array. Each element takes every n-th shard, writes a
# part of its own and needs nothing of the others; the order in which they run does not matter.
#
#   IN=/data/corpus OUT=/data/out sbatch --array=0-63 --requeue examples/slurm-array.sh
#   sbatch --dependency=singleton --job-name=parable --wrap 'parable audit /data/out/part-* -o /data/out/report.html --json /data/out/audit.json'
#
# Arrays begin at 0. An element that was killed is submitted again and goes on where it stopped
# (--resume); one that is done has nothing left to do. When only some are submitted again, WORLD must
# say how many there were in all; parable refuses to go on with a part that was begun with another
# number:
#
#   WORLD=64 IN=/data/corpus OUT=/data/out sbatch --array=5,9 examples/slurm-array.sh
#SBATCH --job-name=parable
#SBATCH --cpus-per-task=16
#SBATCH --mem=16G
#SBATCH --open-mode=append
set -euo pipefail

: "${IN:?folder or files of the corpus}" "${OUT:?output folder}"
rank=$SLURM_ARRAY_TASK_ID

exec "${PARABLE:-parable}" run "$IN" \
  --out "$OUT/part-$(printf %05d "$rank")" \
  --policy "${POLICY:-tag-only}" \
  --rank "$rank" --world-size "${WORLD:-$SLURM_ARRAY_TASK_COUNT}" \
  --threads "${SLURM_CPUS_PER_TASK:-0}" \
  --no-report --quiet --resume
