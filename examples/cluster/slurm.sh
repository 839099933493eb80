#!/bin/bash
# Trains one model on all GPUs of some nodes; goes on by itself when the time is up. Submit it with sbatch.
#SBATCH --job-name=kaem
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=02:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

run=runs/CELEBA/thermo/faces
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))
export MASTER_ADDR MASTER_PORT

if [ -f "$run/config.ini" ]; then
  srun build/kaem train --resume "$run"
else
  srun build/kaem train --dataset CELEBA --mode thermo --name faces --offline --set TRAINING.checkpoint_steps=500
fi
status=$?
case $status in
  129 | 130 | 138 | 143) scontrol requeue "$SLURM_JOB_ID" ;; # interrupted, with a checkpoint
esac
exit $status
