// KAN layers in a network of one's own, with LibTorch's optimiser: y = sin(3 x_1) x_2.
#include <torch/nn/modules/container/modulelist.h>
#include <torch/optim/adam.h>

#include <iostream>

#include "kaem/kan/layer.h"

namespace {

struct Network : torch::nn::Module {
  explicit Network(const kaem::Rng& rng) {
    const kaem::BasisOptions basis = {.kind = "B-spline", .grid_size = 8, .grid_range = {-1, 1}, .activation = "silu"};
    first = register_module("first", kaem::KanLayer(2, 5, basis, kaem::InitialDraws(rng, "first")));
    second = register_module("second", kaem::KanLayer(5, 1, basis, kaem::InitialDraws(rng, "second")));
  }

  at::Tensor forward(const at::Tensor& x) { return second->forward(first->forward(x).tanh()).squeeze(1); }

  kaem::KanLayer first{nullptr}, second{nullptr};
};

}  // namespace

int main() {
  const kaem::Rng rng(1);
  Network network(rng);
  torch::optim::Adam adam(network.parameters(), torch::optim::AdamOptions(1e-2));
  double error = 0;
  for (int64_t step = 0; step < 500; ++step) {
    const at::Tensor x = 2 * rng.uniform(kaem::Stream::kTest, step, {200, 2}) - 1;
    const at::Tensor y = (3 * x.select(1, 0)).sin() * x.select(1, 1);
    adam.zero_grad();
    const at::Tensor loss = (network.forward(x) - y).square().mean();
    loss.backward();
    adam.step();
    error = loss.item<double>();
    if (step % 100 == 0) std::cout << "step " << step << ": mean squared error " << error << "\n";
  }
  std::cout << "at the end: " << error << "\n";
  return error < 5e-3 ? 0 : 1;  // of a function whose mean square is .16
}
