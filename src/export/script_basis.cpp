// The formulas of docs/mathematics.md section 1 once more, as TorchScript.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "export/script.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"

namespace kaem::exports {
namespace {

using at::Tensor;
using ops::Activation;
using ops::BasisKind;
using torch::jit::Module;

/// φ(u) of the bases that are one function of a distance.
struct Formula {
  BasisKind kind;
  const char* source;
};
constexpr auto kFormulas = std::to_array<Formula>({
    {BasisKind::kRbf, "torch.exp(-0.5 * u * u)"},
    {BasisKind::kRswaf, "4 * torch.exp(-2 * torch.abs(u)) / (1 + torch.exp(-2 * torch.abs(u))) ** 2"},
    {BasisKind::kDog, "-u * torch.exp(-0.5 * u * u)"},
    {BasisKind::kMexicanHat, "0.86732507058407751832 * (1 - u * u) * torch.exp(-0.5 * u * u)"},
    {BasisKind::kMorlet, "torch.cos(self.tau * u) * torch.exp(-0.5 * u * u)"},
    {BasisKind::kShannon, "torch.sinc(u / 2) * torch.cos(4.71238898038468985769 * u)"},
});

const char* formula_of(BasisKind kind) {
  const auto found =
      std::find_if(kFormulas.begin(), kFormulas.end(), [&](const auto& row) { return row.kind == kind; });
  return found == kFormulas.end() ? nullptr : found->source;
}

bool is_of_distance(BasisKind kind) {
  return ops::family_of(kind) == ops::BasisFamily::kRadial || ops::family_of(kind) == ops::BasisFamily::kWavelet;
}

std::string distance_source(const KanLayerImpl& layer, Module& module) {
  const Tensor knots = layer.knots();
  if (ops::is_wavelet(layer.spec.kind)) {
    const int64_t count = knots.size(1) / 2;
    keep(module, "centres", knots.slice(1, 0, count)), keep(module, "unit", knots.slice(1, count));
  } else {
    const Tensor width = knots.slice(1, -1) - knots.slice(1, 0, 1);
    keep(module, "centres", knots);
    keep(module, "unit", layer.bandwidth() * width / static_cast<double>(knots.size(1) - 1));
  }
  keep(module, "tau", layer.bandwidth());
  return str("    u = (x.unsqueeze(-1) - self.centres) / self.unit\n    phi = ", formula_of(layer.spec.kind), "\n");
}

/// Knots [I,G+1] with `degree` more on each side, a mean spacing apart.
Tensor extended(const Tensor& knots, int64_t degree) {
  const Tensor first = knots.slice(1, 0, 1), last = knots.slice(1, -1);
  const Tensor spacing = (last - first) / static_cast<double>(knots.size(1) - 1);
  const Tensor steps = at::arange(1, degree + 1, knots.options()).unsqueeze(0);
  return at::cat({first - spacing * steps.flip(1), knots, last + spacing * steps}, 1);
}

std::string pieces_source(const KanLayerImpl& layer, Module& module) {
  const Tensor knots = layer.knots();
  keep(module, "e", extended(knots, layer.spec.degree));
  keep(module, "last", knots.select(1, -1));
  std::string source = R"(    t = x.unsqueeze(-1)
    n = self.e.size(1)
    inside = (t >= self.e[:, :n - 1]) & (t < self.e[:, 1:])
)";
  if (layer.spec.degree == 0)  // closed at the end of the domain
    source += R"(    closing = (x == self.last).unsqueeze(-1)
    inside = torch.cat([inside[:, :, :n - 2], inside[:, :, n - 2:] | closing], -1)
)";
  return str(source, "    phi = inside.type_as(x)\n    for d in range(1, ", layer.spec.degree + 1, R"():
        low = self.e[:, d:n - 1] - self.e[:, :n - d - 1]
        high = self.e[:, d + 1:] - self.e[:, 1:n - d]
        rising = torch.where(low == 0, torch.zeros_like(t), (t - self.e[:, :n - d - 1]) / low)
        falling = torch.where(high == 0, torch.zeros_like(t), (self.e[:, d + 1:] - t) / high)
        m = phi.size(2)
        phi = rising * phi[:, :, :m - 1] + falling * phi[:, :, 1:]
)");
}

/// In float64, as the rounding of a phase counts k times.
std::string fourier_source(const KanLayerImpl& layer, Module& module) {
  const Tensor knots = layer.knots().to(at::kDouble);
  keep(module, "start", knots.select(1, 0)), keep(module, "width", knots.select(1, -1) - knots.select(1, 0));
  keep(module, "frequency", M_PI * at::arange(1, knots.size(1), knots.options()) * layer.bandwidth().to(at::kDouble));
  return R"(    t = ((x.type_as(self.start) - self.start) / self.width).unsqueeze(-1)
    angle = self.frequency * t
    phi = torch.cat([torch.ones_like(t), torch.cos(angle), torch.sin(angle)], -1).type_as(x)
)";
}

std::string polynomial_source(const KanLayerImpl& layer, Module& module) {
  const Tensor knots = layer.knots().to(at::kDouble);
  keep(module, "start", knots.select(1, 0)), keep(module, "width", knots.select(1, -1) - knots.select(1, 0));
  return str(R"(    t = torch.clamp(2 * (x.type_as(self.start) - self.start) / self.width - 1, -1.0, 1.0)
    before = torch.ones_like(t)
    now = t
    rows = [before]
    for n in range()",
             layer.spec.degree, R"():
        rows.append(now)
        after = 2 * t * now - before
        before = now
        now = after
    phi = torch.stack(rows, -1).type_as(x)
)");
}

/// Statements that leave the basis functions of x [n,I] in phi [n,I,G'].
std::string basis_source(const KanLayerImpl& layer, Module& module) {
  switch (ops::family_of(layer.spec.kind)) {
    case ops::BasisFamily::kPieces:
      return pieces_source(layer, module);
    case ops::BasisFamily::kFourier:
      return fourier_source(layer, module);
    case ops::BasisFamily::kPolynomial:
      return polynomial_source(layer, module);
    case ops::BasisFamily::kRadial:
    case ops::BasisFamily::kWavelet:
      break;
  }
  return distance_source(layer, module);
}

}  // namespace

bool has_script(ops::BasisKind kind) { return !is_of_distance(kind) || formula_of(kind) != nullptr; }

std::string activation_source(Activation activation, const std::string& x, double leakyrelu_slope) {
  const auto call = [&](const char* name) { return str("torch.", name, "(", x, ")"); };
  switch (activation) {
    case Activation::kNone:
    case Activation::kIdentity:
      return x;
    case Activation::kRelu:
      return call("relu");
    case Activation::kLeakyRelu:
      return str("torch.leaky_relu(", x, ", ", number_of(leakyrelu_slope), ")");
    case Activation::kTanh:
      return call("tanh");
    case Activation::kSigmoid:
      return call("sigmoid");
    case Activation::kSilu:
      return call("silu");
    case Activation::kGelu:
      return call("gelu");
    case Activation::kElu:
      return call("elu");
    case Activation::kSelu:
      return call("selu");
    case Activation::kSoftplus:
      return call("softplus");
  }
  return x;
}

Module kan_layer_script(const KanLayerImpl& layer, const std::string& name, const ScriptUnit& unit) {
  if (!has_script(layer.spec.kind))
    throw UsageError("--to torchscript: this basis has no formula in TorchScript (src/export/script_basis.cpp)");
  Module module = new_module(name, unit);
  keep(module, "weights", layer.weights().reshape({-1, layer.outputs}));
  std::string source = "def forward(self, x: Tensor) -> Tensor:\n" + basis_source(layer, module);
  source += "    phi = torch.where(torch.abs(phi) < 1e-20, torch.zeros_like(phi), phi)\n";
  if (layer.spec.activation != Activation::kNone)
    source +=
        str("    phi = torch.cat([phi, (", activation_source(layer.spec.activation, "x"), ").unsqueeze(-1)], -1)\n");
  module.define(source + "    return torch.mm(phi.flatten(1), self.weights)\n");
  return module;
}

}  // namespace kaem::exports
