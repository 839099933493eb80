"""Parts of KAEM as torch modules: fused kernels, gradients by autograd."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from ._library import classes
from .run import PriorCurves


def _adopt(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Registers the library's own tensors as parameters: an optimiser moves them where the library reads them."""
    for name, tensor in tensors.items():
        tensor._is_param = True  # what torch.nn.Parameter sets of a tensor that is none
        module.register_parameter(name.replace(".", "_"), tensor)


class KANLayer(nn.Module):
    """y_o = Σ_i w_io act(x_i) + v_io Σ_g c_igo φ_g(x_i): [N,inputs] -> [N,outputs], float32.

    basis: RBF, B-spline, FFT, Cheby or a wavelet (docs/configuration.md, spline_function); grid: intervals in `grid_range`;
    activation: of the base branch, none switches it off.
    """

    def __init__(self, inputs: int, outputs: int, basis: str = "RBF", *, degree: int = 3, grid: int = 20,
                 grid_range: tuple[float, float] = (-1.2, 1.2), activation: str = "silu", seed: int = 1):
        super().__init__()
        self._layer = classes.Layer(inputs, outputs, basis, degree, grid, *map(float, grid_range), activation, seed)
        _adopt(self, dict(self._layer.parameters()))

    def forward(self, x: Tensor) -> Tensor:
        return self._layer.forward(x)

    def update_grid(self, x: Tensor) -> bool:
        """Moves the grid to where the inputs x [N,inputs] lie, with the functions kept; False if they would change too much."""
        return self._layer.update_grid(x) > 0


class EnergyPrior(nn.Module):
    """Q x P univariate densities p(z) ∝ π0(z) exp f(z), f of a KAN basis, sampled exactly by inverse transform.

    mixture: each of the Q coordinates is a mixture of its P components, latents are [n,Q]; else they are [n,Q,P].
    reference: π0, one of ebm (flat), uniform, gaussian, lognormal, learnable_gaussian.
    """

    def __init__(self, q: int, p: int, *, mixture: bool = False, reference: str = "gaussian", basis: str = "RBF", grid: int = 20,
                 domain: tuple[float, float] = (-4.0, 4.0), seed: int = 1):
        super().__init__()
        self._prior = classes.EnergyPrior(q, p, mixture, reference, basis, grid, *map(float, domain), seed)
        _adopt(self, dict(self._prior.parameters()))

    def sample(self, n: int, seed: int = 1) -> Tensor:
        """n independent draws, without a gradient; draw i is the same for every n."""
        with torch.no_grad():
            return self._prior.sample(n, seed)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z), normalised: [n]; differentiable in z and in the parameters."""
        return self._prior.log_prob(z)

    def features(self, z: Tensor) -> Tensor:
        """What a generator receives: the sum over P, or z itself of a mixture; [n,Q]."""
        return self._prior.features(z)

    def curves(self, points: int = 401) -> PriorCurves:
        found = self._prior.curves(points)
        return PriorCurves(*(found[name] for name in PriorCurves._fields))
