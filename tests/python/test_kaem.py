"""The Python package: against NumPy, against finite differences, and against what the program writes."""
import math
import pathlib

import numpy as np
import pytest
import torch

import kaem
from kaem.nn import EnergyPrior, KANLayer

TINY = {
    "EbmModel.layer_widths": (2, 3), "EbmModel.grid_size": 4, "EbmModel.GaussQuad_nodes": 16, "GeneratorModel.widths": (3, 5),
    "GeneratorModel.grid_size": 4, "TRAINING.batch_size": 4, "TRAINING.N_train": 16, "TRAINING.N_test": 4, "TRAINING.N_epochs": 3,
    "TRAINING.log_steps": 1, "TRAINING.device": "cpu", "TRAINING.threads": 1, "POST_LANGEVIN.sampler": "importance",
}


def own_data(n=16):
    return torch.rand(n, 1, 6, 5, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    told = []
    run = kaem.train("DARCY_PERM", settings=TINY, data=own_data(), out=tmp_path_factory.mktemp("runs"), name="a", every=5,
                     progress=lambda step, updates, numbers: told.append((step, updates, numbers)))
    assert [step for step, _, _ in told] == [5, 10, 12]
    assert all(updates == 12 and math.isfinite(numbers["loss"]) for _, updates, numbers in told)
    return run


def test_a_run_has_its_folder(run):
    folder = pathlib.Path(run.folder)
    for name in ("config.ini", "metrics.csv", "events.tfevents", "report.html", "checkpoints/step_12.safetensors"):
        assert (folder / name).is_file(), name
    assert run.step == 12
    assert run.latent_shape == [3, 2]
    assert "batch_size = 4" in run.config
    assert kaem.load(folder).step == 12


def test_samples_do_not_depend_on_their_number(run):
    images = run.sample(6, seed=4)
    assert images.shape == (6, 1, 6, 5) and images.min() >= 0 and images.max() <= 1
    assert torch.equal(images[:2], run.sample(2, seed=4))
    assert not torch.equal(images, run.sample(6, seed=5))
    z = run.latents(6, seed=4)
    torch.testing.assert_close(run.generate(z), images)


def test_log_prior_has_integral_one_and_its_score(run):
    curves = run.prior_curves(2001)
    density = curves.density.double().numpy()
    np.testing.assert_allclose(np.trapezoid(density, curves.z.double().numpy(), axis=0), 1, atol=2e-3)
    z = run.latents(3, seed=2).requires_grad_()
    grad, = torch.autograd.grad(run.log_prior(z).sum(), z)
    torch.testing.assert_close(run.score(z.detach()), grad, rtol=1e-3, atol=1e-4)


def test_log_likelihood_is_gaussian(run):
    x, z = own_data(4), run.latents(3)
    sigma = 1.0
    for line in run.config.splitlines():
        if line.startswith("generator_variance"):
            sigma = float(line.split(" = ")[1])
    made = run.generate(z).detach().flatten(1).double().numpy()
    distance = ((x.flatten(1).double().numpy()[:, None] - made[None]) ** 2).sum(-1)
    expected = -distance / (2 * sigma**2) - 15 * math.log(2 * math.pi * sigma**2)
    np.testing.assert_allclose(run.log_likelihood(x, z).double().numpy(), expected, rtol=1e-4)


def test_log_prob_agrees_with_many_prior_draws(run):
    """A posterior this close to the prior is found by both; five standard errors."""
    x = own_data(4)
    value, error = run.log_prob(x, chains=20, levels=60)
    weights = run.log_likelihood(x, run.latents(20000, seed=9)).double()
    plain = torch.logsumexp(weights, 1) - math.log(weights.shape[1])
    assert torch.all((value - plain).abs() < 5 * error + 0.05), (value, plain, error)
    z, weight = run.posterior(x, chains=5, levels=20)
    assert z.shape == (4, 5, 3, 2)
    torch.testing.assert_close(weight.sum(1), torch.ones(4, dtype=weight.dtype))
    assert run.reconstruct(x, chains=3, levels=10).shape == x.shape


def test_parameters_are_shared_not_copied(run):
    again = kaem.load(run.folder)
    before = again.sample(2)
    for tensor in again.state_dict().values():
        if tensor.is_floating_point():
            tensor.data.mul_(1.5)
    assert not torch.equal(before, again.sample(2))


def test_a_checkpoint_opens_with_safetensors(run):
    safetensors = pytest.importorskip("safetensors.torch")
    tensors = safetensors.load_file(pathlib.Path(run.folder) / "checkpoints" / "step_12.safetensors")
    ours = run.state_dict()
    assert any(name.startswith("model.") for name in tensors)
    for name, tensor in ours.items():
        torch.testing.assert_close(tensors["model." + name], tensor.detach())


def test_a_stopped_run_goes_on(tmp_path):
    first = kaem.train("DARCY_PERM", settings={**TINY, "TRAINING.max_steps": 5}, data=own_data(), out=tmp_path, name="b")
    assert first.step == 5
    second = kaem.train(resume=first.folder, data=own_data(), out=tmp_path)
    straight = kaem.train("DARCY_PERM", settings=TINY, data=own_data(), out=tmp_path, name="c")
    assert second.step == straight.step == 12
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_errors_say_what_is_wrong(tmp_path):
    with pytest.raises(RuntimeError, match="batch_size"):
        kaem.Training("DARCY_PERM", settings={"TRAINING.batch_size": "many"}, out=tmp_path)
    with pytest.raises(RuntimeError, match="did you mean"):
        kaem.Training("DARCY_PERM", settings={"TRAINING.batch_sise": 4}, out=tmp_path)
    with pytest.raises(ValueError, match="dataset"):
        kaem.Training(data=own_data())
    with pytest.raises(RuntimeError, match="no run"):
        kaem.load(tmp_path / "nothing")
    with pytest.raises(RuntimeError, match="N,C,H,W"):
        kaem.Training("DARCY_PERM", settings=TINY, data=torch.rand(4, 5), out=tmp_path)


def test_data_are_checked_before_a_run(tmp_path):
    def refused(match, data, test=None):
        with pytest.raises(RuntimeError, match=match):
            kaem.Training("DARCY_PERM", settings=TINY, data=data, test=test, out=tmp_path)

    good = own_data()
    refused("found", good * 255)
    refused("found", good - 0.5)
    refused("found", torch.where(good > 0.5, torch.nan, good))
    refused("floating-point", (good * 255).long())
    refused("one or three channels", good.expand(-1, 2, -1, -1))
    refused("shape", good, test=torch.rand(4, 1, 3, 3))
    refused("one or three channels", good[:0])
    assert not any(tmp_path.iterdir())


def test_wrong_arguments_are_named(run):
    z, x = run.latents(3), own_data(2)
    for call, match in ((lambda: run.sample(0), "at least one"), (lambda: run.generate(z[:, :2]), "latent_shape"), (lambda: run.log_prior(z[0]), "latent_shape"),
                        (lambda: run.log_prob(x[:, :, :3]), "30 numbers"), (lambda: run.log_prob(x, levels=0), "at least 1"), (lambda: run.log_prob(x[:0]), "at least one")):
        with pytest.raises(RuntimeError, match=match):
            call()
    bytes_ = (x * 255).to(torch.uint8)
    torch.testing.assert_close(run.log_likelihood(bytes_, z), run.log_likelihood(bytes_ / 255.0, z))


@pytest.mark.parametrize("make", [lambda: KANLayer(3, 2, "B-spline", grid=5), lambda: EnergyPrior(3, 2, grid=6)])
def test_modules_can_be_saved_copied_and_pickled(make):
    import copy
    import pickle

    module = make()
    x = torch.rand(500, 3, generator=torch.Generator().manual_seed(4))
    call = (lambda m: m(x)) if isinstance(module, KANLayer) else (lambda m: m.log_prob(m.sample(5, seed=2)))
    if isinstance(module, KANLayer):
        assert module.update_grid(x)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1)
    expected = call(module)
    other = make()
    other.load_state_dict(module.state_dict())
    assigned = make()
    assigned.load_state_dict(module.state_dict(), assign=True)
    for again in (other, assigned, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(call(again), expected)
    copied = copy.deepcopy(module)
    with torch.no_grad():
        next(copied.parameters()).add_(1)
    assert torch.equal(call(module), expected), "a copy has tensors of its own"
    with pytest.raises(TypeError, match="float32"):
        module.double()
    assert torch.equal(call(module.float().cpu()), expected)
    assert "=" in repr(module)


def test_the_environment_names_the_data(tmp_path, monkeypatch):
    monkeypatch.setenv("KAEM_DATA_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(RuntimeError, match="elsewhere"):
        kaem.Training("MNIST", settings={**TINY, "DATA.damaged": "stop"}, out=tmp_path)


@pytest.mark.parametrize("basis", ["RBF", "B-spline", "FFT", "Cheby"])
def test_kan_layer_has_right_gradients(basis):
    layer = KANLayer(3, 2, basis, grid=6, seed=5)
    x = (torch.rand(4, 3, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8).requires_grad_()
    weights = torch.randn(4, 2, generator=torch.Generator().manual_seed(2))
    value = lambda: (layer(x) * weights).sum()
    names, parameters = zip(*layer.named_parameters())
    gradients = torch.autograd.grad(value(), [x, *parameters])
    step = 1e-2  # float32: central differences of the mean error step²
    for tensor, gradient in zip([x, *parameters], gradients):
        flat = tensor.data.flatten()
        for i in range(0, flat.numel(), max(1, flat.numel() // 5)):
            old = flat[i].item()
            with torch.no_grad():
                tensor.data.view(-1)[i] = old + step
                up = value().item()
                tensor.data.view(-1)[i] = old - step
                down = value().item()
                tensor.data.view(-1)[i] = old
            assert gradient.flatten()[i].item() == pytest.approx((up - down) / (2 * step), rel=2e-2, abs=2e-3)


def test_kan_layer_learns_with_an_optimiser_of_torch():
    torch.manual_seed(0)
    layer = KANLayer(1, 1)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.02)
    x = torch.linspace(-1, 1, 200)[:, None]
    target = torch.sin(4 * x)
    first = torch.nn.functional.mse_loss(layer(x), target).item()
    for _ in range(300):
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(layer(x), target)
        loss.backward()
        optimiser.step()
    assert loss.item() < 1e-3 < first


def test_energy_prior_learns_a_density_and_samples_it():
    """Fitted to a mixture of two normals: the moments of its exact draws, five standard errors and what the grid costs."""
    prior = EnergyPrior(1, 1, reference="ebm", grid=40)
    generator = torch.Generator().manual_seed(0)
    side = torch.where(torch.rand(4000, generator=generator) < 0.5, -1.5, 1.5)
    data = (side + 0.5 * torch.randn(4000, generator=generator))[:, None, None]
    optimiser = torch.optim.Adam(prior.parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        loss = -prior.log_prob(data).mean()
        loss.backward()
        optimiser.step()
    z = prior.sample(20000, seed=3).flatten().double()
    assert abs(z.mean().item()) < 0.1
    assert abs(z.abs().mean().item() - 1.5) < 0.05
    assert (z.abs() < 0.5).double().mean().item() < 0.05
    assert -loss.item() == pytest.approx(-(0.5 * math.log(2 * math.pi * math.e * 0.25) + math.log(2)), abs=0.05)


def test_version_is_the_package_s():
    assert kaem.__version__.startswith("0.2.")
