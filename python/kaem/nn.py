"""Parts of KAEM as torch modules: fused kernels, gradients by autograd."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from ._library import classes
from .run import PriorCurves


class _Fused(nn.Module):
    """A module whose tensors are the library's own, so that an optimiser moves them where the library reads them.

    float32 only. It can be copied, pickled, and saved by state_dict(). What replaces parameters instead of writing to them
    (torch.func.functional_call) has no effect on the library.
    """

    def __init__(self, arguments: dict):
        super().__init__()
        self._arguments = arguments
        self._own = self._make(**arguments)
        self._adopt()

    def _adopt(self) -> None:
        for name, tensor in dict(self._own.parameters()).items():
            tensor._is_param = True  # what torch.nn.Parameter sets of a tensor that is none
            self.register_parameter(name.replace(".", "_"), tensor)
        for name, tensor in dict(self._own.buffers()).items():
            self.register_buffer(name.replace(".", "_"), tensor)

    def _apply(self, fn, recurse: bool = True):
        probe = fn(torch.empty(0))
        if probe.dtype != torch.float32 or probe.device.type not in ("cpu", "cuda"):
            raise TypeError(f"{type(self).__name__} computes in float32 on cpu or cuda: it cannot become {probe.dtype} on {probe.device}")
        self._own.to(str(probe.device))
        self._adopt()
        return self

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
        # The values are copied, also where load_state_dict(assign=True) asks for other tensors.
        super()._load_from_state_dict(state_dict, prefix, {**local_metadata, "assign_to_params_buffers": False}, *rest)

    def __reduce__(self):
        return _rebuilt, (type(self), self._arguments, {name: value.detach().clone() for name, value in self.state_dict().items()}, self.training)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._arguments.items())


def _rebuilt(kind: type, arguments: dict, state: dict[str, Tensor], training: bool) -> nn.Module:
    module = kind(**arguments)
    module.to(next(iter(state.values())).device).load_state_dict(state)
    return module.train(training)


class KANLayer(_Fused):
    """y_o = Σ_i w_io act(x_i) + v_io Σ_g c_igo φ_g(x_i): [N,inputs] -> [N,outputs], float32.

    basis: RBF, B-spline, FFT, Cheby or a wavelet (docs/configuration.md, spline_function); grid: intervals in `grid_range`;
    activation: of the base branch, none switches it off.
    """

    def __init__(self, inputs: int, outputs: int, basis: str = "RBF", *, degree: int = 3, grid: int = 20,
                 grid_range: tuple[float, float] = (-1.2, 1.2), activation: str = "silu", seed: int = 1):
        if inputs < 1 or outputs < 1 or grid < 1 or degree < 0 or not grid_range[0] < grid_range[1]:
            raise ValueError("KANLayer: expected inputs, outputs and grid of at least 1, degree of at least 0, an ascending grid_range")
        super().__init__(dict(inputs=inputs, outputs=outputs, basis=basis, degree=degree, grid=grid, grid_range=tuple(grid_range),
                              activation=activation, seed=seed))

    @staticmethod
    def _make(inputs, outputs, basis, degree, grid, grid_range, activation, seed):
        return classes.Layer(inputs, outputs, basis, degree, grid, *map(float, grid_range), activation, seed)

    def forward(self, x: Tensor) -> Tensor:
        return self._own.forward(x)

    def update_grid(self, x: Tensor) -> bool:
        """Moves the grid to where the inputs x [N,inputs] lie, with the functions kept; False if they would change too much."""
        moved = self._own.update_grid(x)
        self._adopt()  # the knots may be other tensors now
        return moved


class EnergyPrior(_Fused):
    """Q x P univariate densities p(z) ∝ π0(z) exp f(z), f of a KAN basis, sampled exactly by inverse transform.

    mixture: each of the Q coordinates is a mixture of its P components, latents are [n,Q]; else they are [n,Q,P].
    reference: π0, one of ebm (flat), uniform, gaussian, lognormal, learnable_gaussian.
    """

    def __init__(self, q: int, p: int, *, mixture: bool = False, reference: str = "gaussian", basis: str = "RBF", grid: int = 20,
                 domain: tuple[float, float] = (-4.0, 4.0), seed: int = 1):
        if q < 1 or p < 1 or grid < 1 or not domain[0] < domain[1]:
            raise ValueError("EnergyPrior: expected q, p and grid of at least 1, an ascending domain")
        super().__init__(dict(q=q, p=p, mixture=mixture, reference=reference, basis=basis, grid=grid, domain=tuple(domain), seed=seed))

    @staticmethod
    def _make(q, p, mixture, reference, basis, grid, domain, seed):
        return classes.EnergyPrior(q, p, mixture, reference, basis, grid, *map(float, domain), seed)

    def sample(self, n: int, seed: int = 1) -> Tensor:
        """n independent draws, without a gradient; draw i is the same for every n."""
        with torch.no_grad():
            return self._own.sample(n, seed)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z), normalised: [n]; differentiable in z and in the parameters."""
        return self._own.log_prob(z)

    def features(self, z: Tensor) -> Tensor:
        """What a generator receives: the sum over P, or z itself of a mixture; [n,Q]."""
        return self._own.features(z)

    def curves(self, points: int = 401) -> PriorCurves:
        found = self._own.curves(points)
        return PriorCurves(*(found[name] for name in PriorCurves._fields))
