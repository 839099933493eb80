#include "kaem/dist/group.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <c10/util/Flags.h>
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#include <vector>

#include "kaem/core/error.h"
#include "kaem/core/str.h"

C10_DECLARE_int(caffe2_log_level);

namespace kaem::dist {

using at::Tensor;

namespace {

// Rank 0 may measure or write for a while before it goes on.
constexpr std::chrono::minutes kLongest{30};

std::string first_line(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = of_torch != nullptr ? of_torch->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

}  // namespace

struct Group::Engine {
  explicit Engine(const Place& place) {
    FLAGS_caffe2_log_level = 3;  // c10d tells each attempt to connect; what counts is said by our errors
    const std::chrono::milliseconds patience(static_cast<int64_t>(1000 * place.patience));
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(place.port);
    options.isServer = place.rank == 0 && !place.hosted;
    options.waitWorkers = false;
    options.timeout = patience;
    store = c10::make_intrusive<c10d::TCPStore>(place.address, options);
    const auto own = c10::make_intrusive<c10d::PrefixStore>("kaem/" + place.attempt, store);
    const auto gloo = c10d::ProcessGroupGloo::Options::create_default(patience);
    const int rank = static_cast<int>(place.rank), size = static_cast<int>(place.size);
    group = c10::make_intrusive<c10d::ProcessGroupGloo>(own, rank, size, gloo);
    group->setTimeout(kLongest);
    // In libkaem_cuda.so, which is open where a GPU is used (kaem::load_cuda).
    using MakeNccl = c10d::Backend* (*)(const c10::intrusive_ptr<c10d::Store>&, int, int);
    if (const auto make = reinterpret_cast<MakeNccl>(dlsym(RTLD_DEFAULT, "kaem_nccl_backend")); make != nullptr)
      nccl = c10::intrusive_ptr<c10d::Backend>::reclaim(
          make(c10::make_intrusive<c10d::PrefixStore>("nccl", own), rank, size));
  }

  /// Who sums these: of GPUs NCCL, if it is there.
  c10d::Backend& backend_of(const Tensor& values) {
    if (values.device().type() == at::kCUDA && nccl) return *nccl;
    return *group;
  }

  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::Backend> group, nccl;
};

struct Group::Pending {
  Tensor target, host;
  std::vector<Tensor> list;
  c10::intrusive_ptr<c10d::Work> work;
};

namespace {

template <class Work>
auto together(const Place& place, const char* what, Work&& work) {
  try {
    return work();
  } catch (const std::exception& e) {
    throw Error(str("process ", place.rank, " of ", place.size, ": ", what, ": another process of the run was lost (",
                    first_line(e), ")"));
  }
}

/// Where it is reduced: on the host, in one piece.
Tensor on_host(const Tensor& values) { return values.cpu().contiguous(); }

}  // namespace

Group::Group(const Place& place) : place_(place) {
  try {
    engine_ = std::make_unique<Engine>(place);
  } catch (const std::exception& e) {
    throw Error(str("process ", place.rank, " of ", place.size, " cannot meet the others at ", place.address, ":",
                    place.port, ": ", first_line(e)));
  }
}

Group::~Group() = default;

std::shared_ptr<Group::Pending> Group::start_sum(const Tensor& values) const {
  auto pending = std::make_shared<Pending>();
  pending->target = values;
  c10d::Backend& backend = engine_->backend_of(values);
  pending->host = &backend == engine_->nccl.get() ? values : on_host(values);
  pending->list = {pending->host};
  together(place_, "a sum", [&] { pending->work = backend.allreduce(pending->list); });
  return pending;
}

void Group::wait(Pending& pending) const {
  together(place_, "a sum", [&] { pending.work->wait(); });
  if (!pending.host.is_same(pending.target)) pending.target.copy_(pending.host);
}

void Group::sum(const Tensor& values) const {
  const auto pending = start_sum(values);
  wait(*pending);
}

void Group::broadcast(const Tensor& values) const {
  const Tensor host = on_host(values);
  std::vector<Tensor> list = {host};
  together(place_, "a broadcast", [&] { engine_->group->broadcast(list)->wait(); });
  if (!host.is_same(values)) values.copy_(host);
}

Tensor Group::gather(const Tensor& rows) const {
  // Not all have as many rows: the short ones are filled up.
  const Tensor counts = at::zeros({size()}, at::kLong);
  counts[rank()] = rows.size(0);
  sum(counts);
  const auto number = counts.const_data_ptr<int64_t>();
  const int64_t most = *std::max_element(number, number + size());
  std::vector<int64_t> sizes = rows.sizes().vec();
  sizes[0] = most;
  Tensor own = at::zeros(sizes, rows.options().device(at::kCPU));
  own.narrow(0, 0, rows.size(0)).copy_(rows);
  std::vector<Tensor> in = {own};
  std::vector<std::vector<Tensor>> out(1);
  for (int64_t r = 0; r < size(); ++r) out[0].push_back(at::empty(sizes, own.options()));
  together(place_, "a gathering", [&] { engine_->group->allgather(out, in)->wait(); });
  for (int64_t r = 0; r < size(); ++r) out[0][r] = out[0][r].narrow(0, 0, number[r]);
  return at::cat(out[0]);
}

}  // namespace kaem::dist
