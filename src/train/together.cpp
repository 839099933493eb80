#include "together.h"

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/threads.h"
#include "kaem/posterior/encoder.h"
#include "kaem/train/run.h"
#include "kaem/train/trainer.h"

namespace kaem {

RunOptions own_part(const RunOptions& options, const dist::Group* group) {
  if (group == nullptr) return options;
  RunOptions own = options;
  const dist::Place& place = group->place();
  if (own.threads == 0 && std::getenv("OMP_NUM_THREADS") == nullptr) {
    set_threads(0);
    const int64_t share = std::thread::hardware_concurrency() / std::max<int64_t>(1, place.local_size);
    own.threads = std::clamp<int64_t>(share, 1, at::get_num_threads());
  }
  if (own.device == "auto" || own.device == "cuda") {
    const std::string device = resolve_device(own.device);
    own.device = device == "cpu" ? device : str("cuda:", place.local_rank);
  }
  return own;
}

std::string settings_text(const Config& config, const Length& length, const Dataset& data) {
  Config c = kept_config(config);
  const RunOptions defaults;
  c.run.out = defaults.out, c.run.name = defaults.name, c.run.device = defaults.device,
  c.run.threads = defaults.threads;
  c.data.root = DatasetOptions().root;
  std::string text = to_ini(c);
  for (const auto& [path, digest] : data.sources) text += "; data " + digest + "\n";
  return str(text, "; until ", length.last, "\n");
}

void check_alike(const std::string& own, const dist::Group& group) {
  const at::Tensor size = at::full({1}, static_cast<int64_t>(own.size()), at::kLong);
  group.broadcast(size);
  const at::Tensor bytes = at::zeros({size.item<int64_t>()}, at::kByte);
  if (group.leads()) std::copy(own.begin(), own.end(), bytes.mutable_data_ptr<uint8_t>());
  group.broadcast(bytes);
  const std::string first(reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()),
                          static_cast<size_t>(bytes.numel()));
  const at::Tensor differ = at::full({1}, first == own ? 0.0 : 1.0);
  group.sum(differ);
  if (differ.item<float>() == 0) return;
  if (first == own) throw UsageError(str("process ", group.rank(), ": another process has other settings or data"));
  const auto changed = changed_values(first, own);
  const std::string what = changed.empty()
                               ? "other data, or another --max-steps"
                               : str(changed[0].key, " = ", changed[0].now, ", process 0 has ", changed[0].before);
  throw UsageError(str("process ", group.rank(), " has ", what, "; all must be started with the same command line"));
}

void meet(const dist::Group& group) { group.sum(at::zeros({1})); }

void refuse_parts(const Config& config, const ModelImpl& model, const dist::Group* group) {
  if (group != nullptr && config.run.batch_size < group->size())
    throw ConfigError(str("[TRAINING] batch_size = ", config.run.batch_size, ": fewer data than the ", group->size(),
                          " processes that share a batch"));
  if (config.run.data_at_once > 0 && (model.generator->depends_on_batch() || config.posterior.encoder.batch_norm))
    throw ConfigError(
        "batchnorm = true: batch norm needs the whole batch, which [TRAINING] data_at_once takes in parts; expected "
        "batchnorm = false");
}

void share_batches(ModelImpl& model, Posterior& posterior, const dist::Group& group) {
  const ops::BatchShare share{[&group](const at::Tensor& values) { group.sum(values); }, group.size()};
  model.generator->batch_share = share;
  const auto module = posterior.module();
  if (const auto encoder = std::dynamic_pointer_cast<EncoderImpl>(module)) encoder->batch_share = share;
}

}  // namespace kaem
