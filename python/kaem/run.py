"""Trained runs."""
from __future__ import annotations

import os
from typing import NamedTuple

import torch
from torch import Tensor

from ._library import classes


class LogProb(NamedTuple):
    """log p(x) of each data point, float64 [B] in nats, and the standard error of its chains."""

    value: Tensor
    error: Tensor


class Posterior(NamedTuple):
    """Weighted samples of p(z|x): z [B,N,latent...], weight [B,N], whose rows have the sum 1."""

    z: Tensor
    weight: Tensor


class PriorCurves(NamedTuple):
    """The univariate components at K points z [K]: all [K,Q,P]. log_reference is log π0, density p, cdf its integral."""

    z: Tensor
    energy: Tensor
    log_reference: Tensor
    density: Tensor
    cdf: Tensor


class Run:
    """The newest checkpoint of a run's folder (FOLDER/best: the best one), with averaged weights where the run keeps them.

    Latents z have the shape `latent_shape` behind the first dimension: [Q,P], or [Q] of a mixture prior. Data x are
    [B,C,H,W] in [0,1], or indices of words [B,L].
    """

    def __init__(self, path: str | os.PathLike, device: str = "auto"):
        self._run = classes.Run(os.fspath(path), device)

    @property
    def folder(self) -> str:
        return self._run.folder()

    @property
    def device(self) -> str:
        return self._run.device()

    @property
    def step(self) -> int:
        """Updates that the checkpoint was made after."""
        return self._run.step()

    @property
    def latent_shape(self) -> list[int]:
        return self._run.latent_shape()

    @property
    def config(self) -> str:
        """The resolved configuration as text of an INI file."""
        return self._run.config()

    def sample(self, n: int, seed: int = 1) -> Tensor:
        """n samples on the CPU: images [n,C,H,W] in [0,1], or words int64 [n,L]. Those that `kaem sample --seed` draws; sample i is
        the same for every n."""
        return self._run.sample(n, seed)

    def lines(self, n: int, seed: int = 1) -> list[str]:
        """n samples of a run on text."""
        return self._run.lines(n, seed)

    def latents(self, n: int, seed: int = 1) -> Tensor:
        """n draws of the prior by inverse transform (of a deep prior by Langevin chains)."""
        return self._run.latents(n, seed)

    def generate(self, z: Tensor) -> Tensor:
        """The mean of p(x|z), [n,C,H,W]; differentiable in z."""
        return self._run.generate(z)

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z), [n]; differentiable in z. Of a deep prior up to its normaliser."""
        return self._run.log_prior(z)

    def score(self, z: Tensor) -> Tensor:
        """The gradient of log p(z) with respect to z, by closed form."""
        return self._run.score(z)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x_b|z_s) of every pair, [B,S]."""
        return self._run.log_likelihood(x, z)

    def log_prob(self, x: Tensor, *, chains: int = 10, levels: int = 500, seed: int = 1) -> LogProb:
        """log p(x) by annealed importance sampling, a low bound in expectation."""
        return LogProb(*self._run.log_prob(x, chains, levels, seed))

    def posterior(self, x: Tensor, *, chains: int = 10, levels: int = 500, seed: int = 1) -> Posterior:
        """Samples of p(z|x): where the chains of annealed importance sampling end, with their weights."""
        return Posterior(*self._run.posterior(x, chains, levels, seed))

    def reconstruct(self, x: Tensor, *, chains: int = 10, levels: int = 500, seed: int = 1) -> Tensor:
        """The posterior mean of what the generator makes, [B,C,H,W]."""
        z, weight = self.posterior(x, chains=chains, levels=levels, seed=seed)
        with torch.no_grad():
            made = self.generate(z.flatten(0, 1))
            return (made.unflatten(0, weight.shape) * weight.to(made)[..., None, None, None]).sum(1)

    def prior_curves(self, points: int = 401) -> PriorCurves:
        """Energies and densities of the prior's components, evenly spaced over their domain."""
        curves = self._run.curves(points)
        return PriorCurves(*(curves[name] for name in PriorCurves._fields))

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters and buffers of the model by name; they are the model's own, not copies."""
        return dict(self._run.tensors())

    def __repr__(self) -> str:
        return f"kaem.Run({self.folder!r}, step={self.step}, device={self.device!r})"


def load(path: str | os.PathLike, device: str = "auto") -> Run:
    """A run's folder, "last" (the newest below ./runs) or "DIR/last". device: auto, cpu, cuda or cuda:N."""
    return Run(path, device)
