#!/usr/bin/env python3
"""Compares a module of `kaem export --to torchscript` with samples of `kaem sample` of the same latents.

usage: load_module.py MODEL.pt LATENTS.npy SAMPLES.npy
"""
import sys

import numpy
import torch

module = torch.jit.load(sys.argv[1])
latents, samples = (torch.from_numpy(numpy.load(path)) for path in sys.argv[2:4])
difference = (module.generate(latents) - samples).abs().max().item()
one = (module.generate(latents[:1]) - samples[:1]).abs().max().item()
drawn = module(3)
uniforms = torch.rand_like(latents)
again = module.sample_prior(uniforms)
print(f"largest difference {difference:.3g}, of one latent {one:.3g}; forward(3) gives {list(drawn.shape)}")
good = max(difference, one) < 1e-5 and drawn.shape[1:] == samples.shape[1:] and again.shape == latents.shape
sys.exit(0 if good and torch.isfinite(again).all() else 1)
