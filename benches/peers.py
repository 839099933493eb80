#!/usr/bin/env python3
"""The shapes of kaem's benchmarks in PyTorch: what a user of PyTorch would write instead.

usage: peers.py [--filter REGEX] [--threads N] [--device cpu|cuda] [--json FILE] [--against FILE] [--seconds S] [--no-compile]
       peers.py --check [--no-compile]

Prints the median time of every peer; JSON is that of `kaem bench --json`. Sizes come from config/bench/mnist.ini, data
and parameters are random with fixed seeds, in float32. --check compares the forms in float64 on small inputs instead.

Letters: B data, S samples, D pixels, Q and P the prior's axes, N rows, I inputs, O outputs, G grid intervals, F
features of an input (G+1 radial functions and silu, which comes last), M cells of the prior's table, K = 2M+1 nodes.
"""
import argparse
import configparser
import json
import math
import re
import statistics
import sys
import time
from collections import namedtuple
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

import pang

CONFIG = Path(__file__).resolve().parent.parent / "config" / "bench" / "mnist.ini"
PIXELS, SAMPLES, MANY_SAMPLES = 28 * 28, 100, 1000
WARM_UP, LEAST_CALLS, MEMORY_LIMIT_GIB = 2, 5, 12

Sizes = namedtuple("Sizes", "p q widths grid domain cells batch samples sigma noise threshold steps step_size adam")
Edges = namedtuple("Edges", "knots decay weights")  # of a layer: [I,G+1], -1/(2(τh)²) [], folded weights [I,F,O]
Table = namedtuple("Table", "log_normaliser cdf slope")  # [P,Q] with its graph; of the cells [P,Q,M+1] and [P,Q,M]


def load_sizes():
    ini = configparser.ConfigParser()
    ini.read_string(CONFIG.read_text(encoding="utf-8"))
    prior, generator, training, adam = (ini[s] for s in ("EbmModel", "GeneratorModel", "TRAINING", "OPTIMIZER"))
    if {(s["spline_function"], s["base_activation"], s["grid_size"], s["grid_range"]) for s in (prior, generator)} != {
            ("RBF", "silu", prior["grid_size"], prior["grid_range"])}:
        sys.exit(f"peers.py: {CONFIG}: the peers know layers of one kind only, RBF with silu on the same grid")
    numbers = lambda text, kind=float: tuple(kind(part) for part in text.split(","))
    return Sizes(*numbers(prior["layer_widths"], int), numbers(generator["widths"], int) + (PIXELS,),
                 int(prior["grid_size"]), numbers(prior["grid_range"]), int(prior["GaussQuad_nodes"]),
                 int(training["batch_size"]), int(training["importance_sample_size"]),
                 float(generator["generator_variance"]), float(generator["generator_noise"]),
                 float(training["resampling_threshold_factor"]), int(ini["POST_LANGEVIN"]["iters"]),
                 float(ini["POST_LANGEVIN"]["ula_η"]),
                 {"lr": float(adam["learning_rate"]), "betas": numbers(adam["betas"]), "eps": float(adam["ε"])})


class KanLayer(torch.nn.Module):
    """Edges f_io(x) = base_io silu(x) + spline_io Σ_g c_igo exp(-½((x - c_g)/(τh))²); every input has its own knots."""

    def __init__(self, inputs, outputs, grid, low, high):
        super().__init__()
        deviation = math.sqrt(2 / (inputs + outputs))
        self.base = torch.nn.Parameter(deviation / math.sqrt(inputs) * torch.randn(inputs, outputs))
        self.spline = torch.nn.Parameter(deviation * torch.randn(inputs, outputs))
        self.coefficients = torch.nn.Parameter(torch.randn(inputs, grid + 1, outputs))
        self.tau = torch.nn.Parameter(torch.ones(()))
        self.spacing = (high - low) / grid
        self.register_buffer("knots", torch.linspace(low, high, grid + 1).repeat(inputs, 1))

    def decay(self):
        return -0.5 / (self.tau.clamp_min(0.05) * self.spacing).square()

    def edges(self):
        folded = torch.cat([self.spline.unsqueeze(1) * self.coefficients, self.base.unsqueeze(1)], 1)
        return Edges(self.knots, self.decay(), folded)


def radial(x, knots, decay):
    """x [...,I] -> [...,I,G+1], 1e-20 far away: eager exp is many times slower where it underflows. The bandwidth comes
    after the square, which needs no backward pass then if x needs no gradient."""
    return ((x.unsqueeze(-1) - knots).square().clamp(max=-46 / decay.detach()) * decay).exp()


def features(x, edges):
    """x [...,I] -> [...,I,F]."""
    return torch.cat([radial(x, edges.knots, edges.decay), F.silu(x).unsqueeze(-1)], -1)


def layer_product(x, edges):
    """x [N,I] -> [N,O], one product [N,I·F] x [I·F,O]."""
    return features(x, edges).flatten(1) @ edges.weights.flatten(0, 1)


def energy(z, edges):
    """z [S,Q,P] -> [S], Σ_qp f_qp(z_sqp): every feature has one weight, so it is a matrix times a vector."""
    weights = edges.weights.permute(2, 0, 1)
    curves = radial(z, edges.knots, edges.decay).flatten(1) @ weights[..., :-1].flatten()
    return curves + F.silu(z).flatten(1) @ weights[..., -1].flatten()


def component_energies(z, edges):
    """z [S,Q,P] -> [S,Q,P], f_qp(z_sqp)."""
    weights = edges.weights.permute(2, 0, 1)
    return (radial(z, edges.knots, edges.decay) * weights[..., :-1]).sum(-1) + F.silu(z) * weights[..., -1]


def inverse_transform(u, table, domain):
    """u [P,Q,S] in (0,1) -> z [S,Q,P], log-linear inside a cell."""
    low, high = domain
    cells = table.slope.shape[-1]
    cell = (torch.searchsorted(table.cdf, u) - 1).clamp_(0, cells - 1)
    start, slope = table.cdf.gather(-1, cell), table.slope.gather(-1, cell)
    share = (u - start) / (table.cdf.gather(-1, cell + 1) - start)
    flat = slope.abs() < 1e-6
    inside = torch.where(flat, share, torch.log1p(share * torch.expm1(slope)) / torch.where(flat, 1.0, slope))
    return (low + (cell + inside) * ((high - low) / cells)).permute(2, 1, 0).contiguous()


def importance_weights(log_likelihood, u, threshold):
    """log p(x_b|z_s) [B,S], uniforms [B,S] -> [B,S]: softmax, or where the ESS is poor residual resampling."""
    weights = log_likelihood.softmax(1)
    samples = weights.shape[1]
    expected = weights.double() * samples
    certain = expected.floor()
    remainder = (expected - certain).cumsum(1)
    index = torch.searchsorted(remainder / remainder[:, -1:], u.double(), right=True).clamp_max(samples - 1)
    keep = torch.arange(samples, device=weights.device) < (samples - certain.sum(1, keepdim=True)).round()
    counts = certain.scatter_add(1, index, keep.double())
    poor = weights.square().sum(1, keepdim=True) * (threshold * samples) > 1
    return torch.where(poor, (counts / samples).to(weights.dtype), weights)


class Model(torch.nn.Module):
    """The good form: matrix products; no tensor has more than two of the axes in, out and batch of a layer."""

    def __init__(self, sizes):
        super().__init__()
        torch.manual_seed(1)
        self.sizes = sizes
        reach = 3.5 * sizes.domain[1] * math.sqrt(sizes.p / 3)  # of Σ_p z, what the generator's first layer sees
        ranges = [(-reach, reach)] + [sizes.domain] * (len(sizes.widths) - 2)
        self.prior = KanLayer(sizes.p, sizes.q, sizes.grid, *sizes.domain)
        self.generator = torch.nn.ModuleList(
            KanLayer(i, o, sizes.grid, *r) for i, o, r in zip(sizes.widths, sizes.widths[1:], ranges))

    def node_energies(self, nodes):
        """nodes [K,P] -> [P,Q,K]."""
        edges = self.prior.edges()
        return torch.bmm(edges.weights.transpose(1, 2), features(nodes, edges).permute(1, 2, 0))

    def energy(self, z):
        return energy(z, self.prior.edges())

    def layer(self, layer, x):
        return layer_product(x, layer.edges())

    def squared_distances(self, x, generated):
        """x [B,D], generated [S,D] -> [B,S]."""
        return torch.addmm(x.square().sum(1, keepdim=True) + generated.square().sum(1), x, generated.t(), alpha=-2)

    def table(self):
        """By Simpson's rule on equal cells: here the cheapest rule that is accurate enough, one exp for each node."""
        (low, high), cells = self.sizes.domain, self.sizes.cells
        nodes = torch.linspace(low, high, 2 * cells + 1)
        log_density = self.node_energies(nodes.unsqueeze(1).expand(-1, self.sizes.p))
        top = log_density.detach().amax(-1, keepdim=True)
        density = (log_density - top).exp()
        weights = torch.tensor([1.0] + [4.0, 2.0] * (cells - 1) + [4.0, 1.0]) * ((high - low) / (6 * cells))
        log_normaliser = (density @ weights).log() + top.squeeze(-1)
        density, log_density = density.detach(), log_density.detach()
        running = (density[..., :-1:2] + 4 * density[..., 1::2] + density[..., 2::2]).cumsum(-1, dtype=torch.float64)
        cdf = F.pad(running / running[..., -1:], (1, 0)).to(nodes.dtype)
        return Table(log_normaliser, cdf, log_density[..., 2::2] - log_density[..., :-1:2])

    def generate(self, z):
        x = z.sum(-1)
        for layer in self.generator:
            x = self.layer(layer, x)
        return x

    def log_likelihood(self, squared_distance):
        variance = self.sizes.sigma**2
        return -0.5 * (squared_distance / variance + self.sizes.widths[-1] * math.log(2 * math.pi * variance))

    def importance_loss(self, x, u, choice, noise):
        """-mean_b Σ_s w_bs (log p(z_s) + log p(x_b|z_s)): x [B,D], u [P,Q,S], choice [B,S], noise [S,D] -> []."""
        table = self.table()
        z = inverse_transform(u, table, self.sizes.domain)
        generated = self.generate(z)
        with torch.no_grad():
            exact = self.log_likelihood(self.squared_distances(x, generated.sigmoid()))
            weights = importance_weights(exact, choice, self.sizes.threshold)
        noisy = (generated + self.sizes.noise * noise).sigmoid()
        log_likelihood = (weights * self.log_likelihood(self.squared_distances(x, noisy))).sum(1).mean()
        return -(weights.mean(0) @ self.energy(z) - table.log_normaliser.sum() + log_likelihood)

    def chain_loss(self, x, z, log_normaliser, noise):
        """-mean_b (log p(z_b) + log p(x_b|z_b)): x and noise [B,D], z [B,Q,P], log_normaliser [P,Q] -> []."""
        noisy = (self.generate(z) + self.sizes.noise * noise).sigmoid()
        log_likelihood = self.log_likelihood((x - noisy).square().sum(1))
        return -((self.energy(z) + log_likelihood).mean() - log_normaliser.sum())


class ReferenceModel(Model):
    """The published reference's form: activations in x out x batch, for the prior anew for each q; B x S x D."""

    def activations(self, layer, x):
        """x [N,I] -> [N,I,O], every edge's value for every row."""
        curves = torch.einsum("nig,igo->nio", radial(x, layer.knots, layer.decay()), layer.coefficients)
        return layer.base * F.silu(x).unsqueeze(-1) + layer.spline * curves

    def node_energies(self, nodes):
        return self.activations(self.prior, nodes).permute(1, 2, 0)

    def energy(self, z):
        return sum(self.activations(self.prior, z[:, q])[..., q].sum(1) for q in range(z.shape[1]))

    def layer(self, layer, x):
        return self.activations(layer, x).sum(1)

    def squared_distances(self, x, generated):
        return (x.unsqueeze(1) - generated).square().sum(-1)

    @staticmethod
    def gib(sizes):
        """About what the backward pass needs: two to three tensors of each of the large shapes."""
        edges = sizes.q * sizes.p * sizes.q + sum(i * o for i, o in zip(sizes.widths, sizes.widths[1:]))
        return 4 * 2.5 * sizes.samples * (edges + sizes.batch * sizes.widths[-1]) / 2**30


def langevin_move(z, noise, x, prior, generator, sizes):
    """z [B,Q,P] + η ∇ log p(z,x) + √(2η) ξ, reflected at the bounds: no step is longer than the box, once is enough."""

    def log_density(z):
        generated = z.sum(-1)
        for edges in generator:
            generated = layer_product(generated, edges)
        return energy(z, prior).sum() - (x - generated.sigmoid()).square().sum() / (2 * sizes.sigma**2)

    moved = z + sizes.step_size * torch.func.grad(log_density)(z) + math.sqrt(2 * sizes.step_size) * noise
    low, high = sizes.domain
    return high - (high - (low + (moved - low).abs())).abs()


# From here on builders: each takes `wrap`, torch.compile or nothing, and returns the call that is timed.


def training(model):
    """An optimiser's step on a loss that has a graph, and a source of batches [B,D] from bytes."""
    sizes = model.sizes
    optimiser = torch.optim.Adam(model.parameters(), **sizes.adam, fused=True)
    images = ((torch.rand(10000, sizes.widths[-1]) - 0.8).clamp_min(0) * (5 * 255)).to(torch.uint8)  # mostly black

    def update(loss):
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return update, lambda: images[torch.randint(len(images), (sizes.batch,))] / torch.tensor(255.0)


def importance_draws(s):
    return torch.rand(s.p, s.q, s.samples), torch.rand(s.batch, s.samples), torch.randn(s.samples, s.widths[-1])


def importance_step(wrap, sizes, make_model):
    model = make_model(sizes)
    (update, batch), loss = training(model), wrap(model.importance_loss)
    return lambda: update(loss(batch(), *importance_draws(sizes)))


def ula_step(wrap, sizes):
    model = Model(sizes)
    (update, batch), start, move, loss = training(model), wrap(model.table), wrap(langevin_move), wrap(model.chain_loss)

    def step():
        x, table = batch(), start()
        with torch.no_grad():  # edges are folded once for all moves, which take no gradient but z's
            z = inverse_transform(torch.rand(sizes.p, sizes.q, sizes.batch), table, sizes.domain)
            prior, generator = model.prior.edges(), [layer.edges() for layer in model.generator]
            for _ in range(sizes.steps):
                z = move(z, torch.randn_like(z), x, prior, generator, sizes)
        return update(loss(x, z, table.log_normaliser, torch.randn_like(x)))

    return step


def its_draws(wrap, sizes):
    with torch.no_grad():
        table = Model(sizes).table()
    u = torch.rand(sizes.p, sizes.q, sizes.samples)
    return lambda: inverse_transform(u, table, sizes.domain)


def prior_call(wrap, sizes, gradient):
    """Energies [B,Q,P] of all components at z [B,Q,P], or their derivatives."""
    with torch.no_grad():
        edges = Model(sizes).prior.edges()
    z = torch.empty(sizes.batch, sizes.q, sizes.p).uniform_(*sizes.domain)
    call = wrap(torch.func.grad(lambda at, e: component_energies(at, e).sum()) if gradient else component_energies)
    return lambda: call(z, edges)


WIDTH, ROWS = 1000, 100
SPLINES, DEGREE = 8, 3  # functions of an edge, both libraries' defaults: a grid of 5 intervals and degree 3


def b_splines(x, knots):
    """x [N,I], knots [I,SPLINES+DEGREE+1] -> [N,I,SPLINES] by the recursion of Cox and de Boor."""
    x = x.unsqueeze(-1)
    basis = ((x >= knots[:, :-1]) & (x < knots[:, 1:])).to(x.dtype)
    for d in range(1, DEGREE + 1):
        rising = (x - knots[:, : -d - 1]) / (knots[:, d:-1] - knots[:, : -d - 1])
        falling = (knots[:, d + 1 :] - x) / (knots[:, d + 1 :] - knots[:, 1:-d])
        basis = rising * basis[..., :-1] + falling * basis[..., 1:]
    return basis


def spline_knots(inputs):
    """Uniform on [-1,1], DEGREE more on both sides."""
    return ((torch.arange(SPLINES + DEGREE + 1) - DEGREE) * (2 / (SPLINES - DEGREE)) - 1).repeat(inputs, 1)


def efficient_kan(knots, x, base, spline, scale):
    weights = (spline * scale.unsqueeze(-1)).flatten(1)
    return F.linear(F.silu(x), base) + F.linear(b_splines(x, knots).flatten(1), weights)


def fast_kan(norm, x, base, spline, bias):
    centres = torch.linspace(-2, 2, SPLINES)
    at = F.layer_norm(x, x.shape[1:]) if norm else x
    basis = torch.exp(-((at.unsqueeze(-1) - centres) * ((SPLINES - 1) / 4)).square())
    return F.linear(basis.flatten(1), spline) + F.linear(F.silu(x), base, bias)


def layer_call(wrap, function, *shapes):
    """Forward and backward of `function(x, *weights)`, gradients of all; `shapes` are those of x and the weights."""
    torch.manual_seed(1)
    tensors = [torch.rand(shapes[0]) * 2 - 1] + [torch.randn(s) / math.sqrt(WIDTH) for s in shapes[1:]]
    inputs, gradient, call = [t.requires_grad_() for t in tensors], torch.randn(ROWS, WIDTH), wrap(function)
    return lambda: torch.autograd.grad(call(*inputs), inputs, gradient)


def peers(sizes):
    """All rows: (name, peer, its mode, GiB that it needs, builder)."""
    rows = []

    def add(name, peer, modes, builder, *arguments, gib=0):
        build = lambda wrap: builder(wrap, *arguments)
        rows.extend((name, f"{mode} {peer}".strip(), mode, gib, build) for mode in modes)

    eager, both = ("eager",), ("eager", "compiled") + (("CUDA graphs",) if on_gpu() else ())
    suffix = lambda n: "" if n == SAMPLES else f"_{n}"
    for n in dict.fromkeys((SAMPLES, sizes.samples, MANY_SAMPLES)):
        name, s = f"mnist_is_step{suffix(n)}", sizes._replace(samples=n)
        add(name, "GEMM", both, importance_step, s, Model)
        add(name, "reference form", eager, importance_step, s, ReferenceModel, gib=ReferenceModel.gib(s))
    add("mnist_ula_step", "", both, ula_step, sizes)
    add("svhn_pang_step", "Pang et al.", both, pang.step, False)
    add("svhn_pang_step", "Pang et al., channels last", both, pang.step, True)
    for n in (SAMPLES, MANY_SAMPLES):
        add(f"its_draws{suffix(n)}", "", eager, its_draws, sizes._replace(samples=n))
    add("prior_energy", "", both, prior_call, sizes, False)
    add("prior_grad", "", both, prior_call, sizes, True)
    x, square, splines = (ROWS, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH * SPLINES)
    efficient = partial(efficient_kan, spline_knots(WIDTH))
    add("kan_layer_bspline", "efficient-kan", both, layer_call, efficient, x, square, (*square, SPLINES), square)
    add("kan_layer_rbf", "fast-kan", both, layer_call, partial(fast_kan, False), x, square, splines, (WIDTH,))
    add("kan_layer_rbf", "fast-kan, layer norm", both, layer_call, partial(fast_kan, True), x, square, splines, (WIDTH,))
    dense = WIDTH * (SPLINES + 1)  # as many multiply-adds as the edges' functions and silu
    add("kan_layer_rbf", "dense layer (lower bound)", eager, layer_call, F.linear, (ROWS, dense), (WIDTH, dense))
    return rows


compiler = partial(torch.compile, dynamic=False, fullgraph=True)
recorder = partial(compiler, mode="reduce-overhead")  # and replayed as CUDA graphs
unchanged = lambda function: function
WRAPS = {"eager": unchanged, "compiled": compiler, "CUDA graphs": recorder}
on_gpu = lambda: torch.get_default_device().type == "cuda"


def timed(call):
    start = time.perf_counter()
    call()
    if on_gpu():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(mode, gib, builder, arguments):
    """Median in milliseconds (None: skipped) and a note."""
    if gib > MEMORY_LIMIT_GIB:
        return None, f"skipped: needs about {gib:.0f} GiB, the limit is {MEMORY_LIMIT_GIB}"
    compiled = mode != "eager"
    if compiled and arguments.no_compile:
        return None, "skipped: --no-compile"
    torch.compiler.reset()  # or the sizes of one function would add up to its limit of recompilations
    try:
        call = builder(WRAPS[mode])
        first = timed(call)
    except Exception as error:  # whatever keeps torch.compile from working here, the other peers can still be timed
        if not compiled:
            raise
        return None, f"skipped: torch.compile failed with {type(error).__name__}"
    for _ in range(WARM_UP):
        call()
    times, end = [], time.perf_counter() + arguments.seconds
    while len(times) < LEAST_CALLS or time.perf_counter() < end:
        times.append(timed(call))
    compiling = f", the first (compiling) took {first:.0f} s" if compiled else ""
    return 1e3 * statistics.median(times), f"{len(times)} calls{compiling}"


def machine():
    info = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.*)$", info.read_text() if info.exists() else "", re.M)
    return {"cpu": model.group(1) if model else "unknown", "device": str(torch.get_default_device()), "threads": torch.get_num_threads(),
            "kernels": torch.backends.cpu.get_cpu_capability().lower(), "libtorch": torch.__version__.split("+")[0]}


def refuse(message):
    print(f"peers.py: {message}", file=sys.stderr)
    sys.exit(2)


def times_of(path):
    """Milliseconds by benchmark, from JSON that kaem bench wrote."""
    try:
        return {b["name"]: float(b["median_ms"]) for b in json.loads(Path(path).read_text())["benchmarks"]}
    except OSError as error:
        refuse(f"--against {path}: {error.strerror}")
    except (ValueError, KeyError, TypeError):
        refuse(f"--against {path}: not what kaem bench --json writes")


def run(arguments):
    rows = [r for r in peers(load_sizes()) if any(arguments.filter.search(text) for text in (r[0], f"{r[0]} {r[1]}"))]
    if not rows:
        refuse(f"--filter {arguments.filter.pattern}: no benchmark has such a name")
    ours = times_of(arguments.against) if arguments.against else {}
    if arguments.json and not Path(arguments.json).absolute().parent.is_dir():
        refuse(f"--json {arguments.json}: there is no folder {Path(arguments.json).parent}")
    print(f"{'benchmark':<20}{'peer':<32}{'median ms':>11}{'/ kaem':>9}")
    results = []
    for name, peer, *rest in rows:
        median, note = measure(*rest, arguments)
        ratio = median / ours[name] if median is not None and name in ours else None
        numbers = f"{'-' if median is None else format(median, '.3f'):>11}{'-' if ratio is None else f'{ratio:.1f}':>9}"
        print(f"{name:<20}{peer:<32}{numbers}   {note}", flush=True)
        results.append({"name": name, "peer": peer, "median_ms": median, "over_kaem": ratio, "note": note})
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"machine": machine(), "benchmarks": results}, indent=2) + "\n")


def check(with_compiler):
    """Compares the forms in float64 on small inputs; prints relative differences."""
    torch.set_default_dtype(torch.float64)
    sizes = load_sizes()._replace(p=3, q=5, widths=(5, 7, 11), grid=6, batch=4, samples=9, cells=20, step_size=0.1)
    differences = []

    def compare(what, left, right):
        pairs = zip(left, right, strict=True)
        differences.append(max(((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item() for a, b in pairs))
        print(f"{differences[-1]:10.1e}  {what}")

    def loss_and_gradients(model, wrap=unchanged):
        loss = wrap(model.importance_loss)(*data)
        return loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))

    model = Model(sizes)
    data = torch.rand(sizes.batch, sizes.widths[-1]), *importance_draws(sizes)
    gemm = loss_and_gradients(model)
    compare("importance loss and gradients, reference form", loss_and_gradients(ReferenceModel(sizes)), gemm)
    with torch.no_grad():
        table, prior, generator = model.table(), model.prior.edges(), [layer.edges() for layer in model.generator]
    z = inverse_transform(table.cdf[..., 1:-1].contiguous(), table, sizes.domain)
    ends = torch.linspace(*sizes.domain, sizes.cells + 1)[1:-1, None, None]
    compare("draws at the ends of the table's cells", [z], [ends.expand_as(z)])
    compare("energies of components, their sum", [component_energies(z, prior).sum((1, 2))], [energy(z, prior)])
    x = torch.rand(50, 2) * 2 - 1
    compare("B-splines, their sum", [b_splines(x, spline_knots(2)).sum(-1)], [torch.ones(50, 2)])
    if with_compiler:
        compare("importance loss and gradients, compiled", loss_and_gradients(model, compiler), gemm)
        for what, gradient in (("energies", False), ("gradients of energies", True)):
            compiled, plain = (prior_call(wrap, sizes, gradient)() for wrap in (compiler, unchanged))
            compare(f"{what}, compiled", [compiled], [plain])
        move = z[: sizes.batch], torch.randn(sizes.batch, sizes.q, sizes.p), data[0], prior, generator, sizes
        compare("Langevin move, compiled", [compiler(langevin_move)(*move)], [langevin_move(*move)])
        chains = pang.load_sizes()._replace(energy=[3, 5, 1], channels=[4, 3], kernels=[4, 4], strides=[1, 2], paddings=[0, 1])
        own = torch.randn(2, 3), torch.rand(2, 3, 8, 8), pang.make_energy(chains), pang.make_generator(chains), chains.sigma
        compare("Pang's posterior gradient, compiled", *([pang.gradient_of(pang.log_joint, wrap)(*own)] for wrap in (compiler, unchanged)))
    if not all(d < 1e-9 for d in differences):
        sys.exit("peers.py: the forms do not agree to 1e-9")


def expression(text):
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def positive(kind):
    def parse(text):
        value = kind(text)
        if not 0 < value < math.inf:
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"  # argparse names it where it refuses a value
    return parse


def main():
    parser = argparse.ArgumentParser(description="The shapes of kaem's benchmarks in PyTorch.")
    parser.add_argument("--filter", default="", type=expression, help="only those whose name, or 'name peer', matches")
    parser.add_argument("--threads", type=positive(int), help="CPU threads (default: PyTorch's choice)")
    parser.add_argument("--device", default="cpu", type=torch.device, help="where to compute (default cpu)")
    parser.add_argument("--json", metavar="FILE", help="also write the results as JSON")
    parser.add_argument("--against", metavar="FILE", help="JSON of kaem bench: also print how many times as long it takes")
    parser.add_argument("--seconds", type=positive(float), default=5, help="time for each peer (default 5; 5 calls at least)")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--check", action="store_true", help="compare the forms with each other instead of timing them")
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)  # before any worker thread starts: they inherit it
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.set_default_device(arguments.device)
    if arguments.check:
        check(not arguments.no_compile)
    else:
        run(arguments)


if __name__ == "__main__":
    main()
