// Batch norm of a batch that several processes hold, here threads with a sum between them, against LibTorch's of the
// whole batch.
#include "kaem/ops/batch_norm.h"

#include <torch/csrc/autograd/autograd.h>

#include <barrier>
#include <thread>

#include "support.h"

namespace kaem::ops {
namespace {

/// Sums over threads that all come to it.
class Meeting {
 public:
  explicit Meeting(int64_t size) : size_(size), barrier_(size) {}

  void sum(int64_t rank, const Tensor& values) {
    if (rank == 0) total_ = at::zeros_like(values);
    barrier_.arrive_and_wait();
    for (int64_t r = 0; r < size_; ++r) {  // in turn: the same bits everywhere
      if (r == rank) total_.add_(values);
      barrier_.arrive_and_wait();
    }
    values.copy_(total_);
    barrier_.arrive_and_wait();
  }

 private:
  int64_t size_;
  std::barrier<> barrier_;
  Tensor total_;
};

struct Result {
  Tensor y, to_x, to_weight, to_bias, running_mean, running_variance;
};

/// The rows' part of a loss Σ c·y.
Result result_of(const Tensor& rows, const Tensor& c, const BatchNorm& given, const BatchShare& share) {
  const c10::AutoGradMode with_graph(true);
  const Tensor x = rows.detach().clone().requires_grad_();
  BatchNorm norm = {given.weight.detach().clone().requires_grad_(), given.bias.detach().clone().requires_grad_(),
                    given.running_mean.clone(), given.running_variance.clone()};
  const Tensor y = batch_norm(x, norm, /*training=*/true, share);
  const auto grads = torch::autograd::grad({(c * y).sum()}, {x, norm.weight, norm.bias});
  return {y.detach(), grads[0], grads[1], grads[2], norm.running_mean, norm.running_variance};
}

BatchNorm some_norm(int64_t channels, const at::TensorOptions& options) {
  return {at::randn({channels}, options), at::randn({channels}, options), at::randn({channels}, options),
          at::rand({channels}, options) + 0.5};
}

/// Threads with rows of their own behind `alike` rows that all have; `bound` relative.
void compare(const std::vector<int64_t>& own, int64_t alike, const at::TensorOptions& options, double bound) {
  at::manual_seed(7);
  const int64_t channels = 5;
  const auto size = static_cast<int64_t>(own.size());
  const BatchNorm norm = some_norm(channels, options);
  const auto images = [&](int64_t n) { return at::randn({n, channels, 3, 4}, options) * 3 + 20; };
  const Tensor same = images(alike);
  std::vector<Tensor> whole = {same}, loss = {at::zeros_like(same)}, parts, losses;
  for (const int64_t n : own) {
    const Tensor mine = images(n), c = at::randn_like(mine), c_same = at::randn_like(same);
    whole.push_back(mine), loss.push_back(c), loss[0].add_(c_same);  // each part has a loss of the rows of all, too
    parts.push_back(at::cat({same, mine})), losses.push_back(at::cat({c_same, c}));
  }
  const Result want = result_of(at::cat(whole), at::cat(loss), norm, {});
  std::vector<Result> got(own.size());
  Meeting meeting(size);
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      const auto i = static_cast<size_t>(rank);
      got[i] = result_of(parts[i], losses[i], norm,
                         {[&meeting, rank](const Tensor& values) { meeting.sum(rank, values); }, size, alike});
    });
  for (auto& thread : threads) thread.join();
  Tensor to_weight = at::zeros_like(want.to_weight), to_bias = at::zeros_like(want.to_bias),
         to_same = at::zeros_like(same);
  int64_t from = alike;
  for (size_t i = 0; i < own.size(); ++i) {
    const Result& part = got[i];
    expect_close(part.y.slice(0, alike), want.y.slice(0, from, from + own[i]), bound, "own rows");
    expect_close(part.to_x.slice(0, alike), want.to_x.slice(0, from, from + own[i]), bound, "gradient of own rows");
    if (alike > 0) expect_close(part.y.slice(0, 0, alike), want.y.slice(0, 0, alike), bound, "rows of all");
    expect_close(part.running_mean, want.running_mean, bound, "running mean");
    expect_close(part.running_variance, want.running_variance, bound, "running variance");
    to_weight.add_(part.to_weight), to_bias.add_(part.to_bias), to_same.add_(part.to_x.slice(0, 0, alike));
    from += own[i];
  }
  expect_close(to_weight, want.to_weight, bound, "gradient of the weight");
  expect_close(to_bias, want.to_bias, bound, "gradient of the bias");
  if (alike > 0) expect_close(to_same, want.to_x.slice(0, 0, alike), bound, "gradient of the rows of all");
}

TEST(BatchNormOverProcesses, IsThatOfTheWholeBatch) {
  compare({4, 4}, 0, wide(), 1e-12);
  compare({1, 5, 2}, 0, wide(), 1e-12);
  compare({3}, 0, wide(), 1e-12);
  compare({4, 3}, 0, at::TensorOptions(), 2e-5);  // a mean of 20 over a deviation of 3
}

TEST(BatchNormOverProcesses, CountsTheRowsThatAllHaveOnce) {
  compare({4, 4}, 3, wide(), 1e-12);
  compare({2, 1, 2}, 6, wide(), 1e-12);
}

TEST(BatchNormOverProcesses, AsksNobodyOutsideOfTraining) {
  const BatchNorm norm = some_norm(2, wide());
  const Tensor x = at::randn({3, 2, 2, 2}, wide());
  const auto fail = [](const Tensor&) { FAIL() << "a sum that the other processes do not make"; };
  const auto channel = [](const Tensor& t) { return t.reshape({1, 2, 1, 1}); };
  const Tensor want =
      (x - channel(norm.running_mean)) / (channel(norm.running_variance) + 1e-5).sqrt() * channel(norm.weight) +
      channel(norm.bias);
  expect_close(batch_norm(x, norm, /*training=*/false, {fail, 2}), want, 1e-12, "by the running statistics");
}

}  // namespace
}  // namespace kaem::ops
