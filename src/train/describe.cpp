#include "kaem/train/describe.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>

#include "kaem/baseline/baselines.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/data/dataset.h"
#include "kaem/model/model.h"
#include "kaem/train/length.h"

namespace kaem {
namespace {

/// What the records of a data set are called.
std::string records_of(const Dataset& data) {
  if (data.is_text()) return "sequences";
  const auto names = dataset_names();
  if (std::find(names.begin(), names.end(), data.name) == names.end()) return "records";  // a user's own
  return dataset_traits(data.name).kind == DataKind::kFields ? "fields" : "images";
}

std::string count_of(int64_t count, const std::string& one) {
  return str(grouped(count), " ", one, count == 1 ? "" : "s");
}

std::string joined(const std::vector<int64_t>& widths) {
  std::string text;
  for (const int64_t width : widths) text += str(text.empty() ? "" : "-", width);
  return text;
}

std::string prior_text(const PriorOptions& prior) {
  if (prior.is_deep()) return "deep prior " + joined(prior.layer_widths);
  const int64_t inputs = prior.layer_widths[0], latents = prior.layer_widths[1];
  return prior.mixture.enabled ? str("mixture of ", inputs, " energies for each of ", latents, " latents")
                               : str(inputs, " x ", latents, " energies");
}

std::string generator_text(const GeneratorOptions& generator, int64_t data_size) {
  if (generator.seq.use()) return generator.seq.autoregressive ? "transformer generator" : "sequence generator";
  if (generator.cnn.use) return "CNN generator";
  return str("KAN generator ", joined(generator.widths), "-", data_size);
}

}  // namespace

std::string data_text(const Dataset& data) {
  const auto [channels, height, width] = data.shape;
  const std::string all = str(data.name, ", ", grouped(data.train.size(0)), " training and ",
                              grouped(data.test.defined() ? data.test.size(0) : 0), " test ", records_of(data));
  if (data.is_text()) return str(all, " of ", width, " words out of ", grouped(std::ssize(data.vocabulary)));
  if (data.pca) return str(all, " on ", width, " principal components");
  return str(all, " of ", channels > 1 ? str(channels, "x") : "", height, "x", width);
}

std::string model_text(const Config& config, const ModelImpl& model) {
  int64_t parameters = 0;
  for (const auto& p : model.parameters()) parameters += p.numel();
  const std::string count = grouped(parameters) + " parameters";
  if (find_baseline(config.run.mode)) return str(config.run.mode, ", ", count);
  return str(prior_text(config.model.prior), ", ", generator_text(config.model.generator, model.data_size()), ", ",
             count);
}

std::string posterior_text(const Config& config) {
  if (const BaselineRow* row = find_baseline(config.run.mode); row && row->posterior) return "no posterior";
  const PosteriorOptions& posterior = config.posterior;
  const SamplerKind kind = sampler_kind(posterior.sampler);
  if (kind == SamplerKind::kImportance) return str(grouped(posterior.samples), " importance samples");
  if (kind == SamplerKind::kProposal)
    return str(posterior.samples, " weighted draws of encoder and prior per data point");
  if (kind == SamplerKind::kEncoder)
    return str(count_of(posterior.chains_per_datum, "draw"), " of an encoder per data point");
  const std::string chains = str(count_of(posterior.chains_per_datum, "chain"), " per data point");
  const std::string from =
      posterior.chain_start == "proposal" ? str(", from ", posterior.samples, " weighted draws") : "";
  if (posterior.tempering.levels > 1)
    return str(count_of(posterior.tempering.iters, "step"), " of ", posterior.sampler, " at each of ",
               posterior.tempering.levels, " temperatures, ", chains, from);
  return str(count_of(posterior.iters, "step"), " of ", posterior.sampler, ", ", chains, from);
}

std::string length_text(const Config& config, const Length& length) {
  const double epochs = static_cast<double>(length.last) / static_cast<double>(length.steps_per_epoch);
  return str(count_of(length.last, "update"), " of batch ", config.run.batch_size, ", ", std::round(epochs * 10) / 10,
             epochs == 1 ? " epoch" : " epochs");
}

}  // namespace kaem
