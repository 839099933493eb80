"""The latent energy-based model of Pang et al. (2020) in PyTorch, as a user would write it: the peer of svhn_pang_step.

Sizes come from config/reference/svhn_pang_config.ini, but a batch of 100 and 20 posterior steps, as in kaem bench. The energy is a dense network of
the same widths; the convolutional generator has the same layers. Latents start at N(0,I) for both kinds of chains.
Letters: B data, N latent coordinates; images are [B,3,32,32].
"""
import configparser
import math
from collections import namedtuple
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F

CONFIG = Path(__file__).resolve().parent.parent / "config" / "reference" / "svhn_pang_config.ini"
BATCH, POSTERIOR_STEPS, CHANNELS, SIDE = 100, 20, 3, 32

Sizes = namedtuple("Sizes", "batch energy channels kernels strides paddings sigma prior_steps prior_step posterior_steps posterior_step adam")


def load_sizes():
    ini = configparser.ConfigParser()
    ini.read_string(CONFIG.read_text(encoding="utf-8"))
    numbers = lambda section, key, kind=int: [kind(part) for part in ini[section][key].split(",")]
    one = lambda section, key, kind=float: kind(ini[section][key])
    return Sizes(BATCH, numbers("EbmModel", "layer_widths"), numbers("CNN", "hidden_feature_dims") + [CHANNELS], numbers("CNN", "kernel_sizes"),
                 numbers("CNN", "strides"), numbers("CNN", "paddings"), one("GeneratorModel", "generator_variance"), one("PRIOR_LANGEVIN", "iters", int),
                 one("PRIOR_LANGEVIN", "step_size"), POSTERIOR_STEPS, one("POST_LANGEVIN", "ula_η"),
                 {"lr": one("OPTIMIZER", "learning_rate")})


def make_energy(sizes):
    """z [B,N] -> [B,1]."""
    layers = []
    for width, following in pairwise(sizes.energy):
        layers += [torch.nn.Linear(width, following), torch.nn.GELU()]
    return torch.nn.Sequential(*layers[:-1])


def make_generator(sizes):
    """z [B,N,1,1] -> [B,3,32,32] in (0,1)."""
    layers, width = [], sizes.energy[0]
    for following, kernel, stride, padding in zip(sizes.channels, sizes.kernels, sizes.strides, sizes.paddings, strict=True):
        layers += [torch.nn.ConvTranspose2d(width, following, kernel, stride, padding), torch.nn.LeakyReLU(0.2)]
        width = following
    return torch.nn.Sequential(*layers[:-1], torch.nn.Sigmoid())


def decoded(generator, z):
    return generator(z[..., None, None])


def log_prior(z, energy):
    """z [B,N] -> [], the sum over the batch of f(z) - |z|²/2."""
    return energy(z).sum() - z.square().sum() / 2


def log_joint(z, x, energy, generator, sigma):
    """z [B,N], x [B,3,H,W] -> [], the sum over the batch of f(z) - |z|²/2 - |x - g(z)|²/(2σ²)."""
    return log_prior(z, energy) - (decoded(generator, z) - x).square().sum() / (2 * sigma**2)


def plain_gradient(function):
    def gradient(z, *others):
        z = z.detach().requires_grad_()
        return torch.autograd.grad(function(z, *others), z)[0]

    return gradient


def gradient_of(function, wrap):
    """In eager mode by autograd.grad, the least overhead; torch.compile knows torch.func.grad."""
    compiled = wrap(function) is not function
    return wrap(torch.func.grad(function)) if compiled else plain_gradient(function)


def langevin(z, gradient, steps, step_size):
    for _ in range(steps):
        z = z + step_size * gradient(z).detach() + math.sqrt(2 * step_size) * torch.randn_like(z)
    return z


def step(wrap, channels_last):
    """An update: chains of the prior and of the posterior, then both networks by Adam."""
    sizes = load_sizes()
    torch.manual_seed(1)
    energy, generator = make_energy(sizes), make_generator(sizes)
    if channels_last:
        generator = generator.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam([*energy.parameters(), *generator.parameters()], **sizes.adam, fused=True)
    images = (torch.rand(1000, CHANNELS, SIDE, SIDE) * 255).to(torch.uint8)
    of_prior, of_posterior = gradient_of(log_prior, wrap), gradient_of(log_joint, wrap)

    def losses(x, positive, negative):
        error = F.mse_loss(decoded(generator, positive), x, reduction="sum") / (2 * sizes.sigma**2)
        return error / len(x) - energy(positive).mean() + energy(negative).mean()

    loss_of = wrap(losses)

    def update():
        x = images[torch.randint(len(images), (sizes.batch,))] / 255
        starts = torch.randn(2, sizes.batch, sizes.energy[0])
        negative = langevin(starts[0], lambda z: of_prior(z, energy), sizes.prior_steps, sizes.prior_step)
        positive = langevin(starts[1], lambda z: of_posterior(z, x, energy, generator, sizes.sigma), sizes.posterior_steps, sizes.posterior_step)
        optimiser.zero_grad()
        loss = loss_of(x, positive, negative)
        loss.backward()
        optimiser.step()
        return loss.item()

    return update
