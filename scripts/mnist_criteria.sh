#!/bin/bash
# Trains MNIST by every criterion for the same number of updates and prints the table of docs/results.md: reconstruction error and AIS
# log p(x) on 100 test images, communication barrier, milliseconds an update (the median: a run may have been halted). Runs that are there
# already are not trained again.
# Usage: scripts/mnist_criteria.sh [UPDATES=2000] [FOLDER=runs/criteria]; KAEM_DATA_DIR says where MNIST is.
set -euo pipefail
cd "$(dirname "$0")/.."
updates=${1:-2000} out=${2:-runs/criteria}

train() { # NAME MODE [OPTION...]
  local name=$1 mode=$2 run=$out/MNIST/$2/$1
  shift 2
  runs+=("$run")
  [ -f "$run/checkpoints/step_$updates.json" ] && return
  if [ -d "$run" ]; then
    build/kaem train --resume "$run" --max-steps "$updates"
  else
    build/kaem train --dataset MNIST --config config/bench/mnist.ini --mode "$mode" --name "$name" --out "$out" --max-steps "$updates" "$@"
  fi
}

runs=()
train importance vanilla
train ula vanilla --set POST_LANGEVIN.sampler=ula
train ula10 vanilla --set POST_LANGEVIN.sampler=ula --set POST_LANGEVIN.iters=10
train persistent vanilla --set POST_LANGEVIN.sampler=ula --set POST_LANGEVIN.chain_start=persistent --set POST_LANGEVIN.iters=10
train mbar thermo
train mbar40 thermo --set THERMODYNAMIC_INTEGRATION.N_langevin_per_temp=40
train posterior thermo --set THERMODYNAMIC_INTEGRATION.thermo_gradient=posterior
train path thermo --set THERMODYNAMIC_INTEGRATION.thermo_gradient=path
train variational variational
for run in "${runs[@]}"; do
  [ -f "$run/scores.json" ] || build/kaem evaluate "$run" -n 100 --methods ais --chains 4 --levels 500 \
    --reconstructions "$run/reconstructions.png" --json "$run/scores.json"
done
python3 - "${runs[@]}" <<'TABLE'
import csv, json, statistics, sys
print("| run | reconstruction MSE | AIS log p(x) | its s.e. | s.e. over images | ESS of 4 | Λ | ms an update |")
print("| --- | --- | --- | --- | --- | --- | --- | --- |")
for run in sys.argv[1:]:
    scores = json.load(open(run + "/scores.json"))
    rows = list(csv.DictReader(open(run + "/metrics.csv")))
    barrier = [float(r["barrier"]) for r in rows[-10:] if r.get("barrier")]
    ms = [1e3 * (float(b["seconds"]) - float(a["seconds"])) / (int(b["step"]) - int(a["step"])) for a, b in zip(rows, rows[1:])]
    ais = scores["log_likelihood"]["annealed importance"]
    print("| %s | %.4f | %.1f | %.1f | %.1f | %.1f | %s | %.0f |" % (
        run.split("/")[-1], scores["scores"]["reconstruction MSE"]["value"], ais["mean"], ais["standard_error"], ais["over_data"], ais["ess"],
        "%.2f" % (sum(barrier) / len(barrier)) if barrier else "", statistics.median(ms)))
TABLE
