#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaem/evaluate/evaluation.h"
#include "kaem/objective/objective.h"
#include "kaem/posterior/posterior.h"

/// Where the quality of a run's samples is lost: in its prior, in what samples its posterior, or in its generator:
/// `kaem diagnose`. A part is a file of src/diagnose/ and a row of its table. docs/mathematics.md section 7.
namespace kaem::diagnose {

struct Options {
  int64_t data = 1000;    ///< test data, of each of whose posteriors one draw is taken
  int64_t levels = 200;   ///< temperatures of the annealing that draws them
  int64_t chains = 2;     ///< ... and its chains a datum
  int64_t batch = 50;     ///< training data of chains and gradients
  int64_t long_data = 8;  ///< of these, data of long chains ...
  int64_t steps = 1000;   ///< ... and their steps; the first half is left out
  int64_t repeats = 16;   ///< updates whose gradients on the one batch are compared
};

/// A run with what its parts share, each made when it is first asked for.
class Diagnosis {
 public:
  Diagnosis(evaluate::Evaluation& evaluation, Options options);

  evaluate::Evaluation& evaluation;
  const Options options;

  ModelImpl& model() { return *evaluation.run.model; }

  /// One draw of p(z|x) for each of Options::data test data, chosen among annealed chains by their weights: draws of
  /// the aggregated posterior, [n, latent...].
  const at::Tensor& aggregated();
  /// As many draws of the prior, [n, latent...].
  const at::Tensor& prior_draws();

  /// Options::batch training data, with their numbers.
  const Batch& batch();
  /// Two independent sets of annealed, weighted draws of their posteriors.
  const metrics::Annealed& annealed(size_t set);
  /// The run's own sampler, with what its checkpoint keeps of it, and its criterion.
  Posterior& posterior();
  Objective& objective();

 private:
  at::Tensor aggregated_, prior_draws_;
  std::optional<Batch> batch_;
  std::optional<metrics::Annealed> annealed_[2];
  std::unique_ptr<Posterior> posterior_;
  std::unique_ptr<Objective> objective_;
};

/// A row: `obstacle` says why it cannot be told of this run (empty: it can).
struct Part {
  std::string_view name, help;
  std::string (*obstacle)(Diagnosis& diagnosis);
  evaluate::Section (*tell)(Diagnosis& diagnosis);
};

std::vector<Part> all_parts();
std::vector<std::string> part_names();

/// The row of this name; UsageError with the nearest if there is none.
Part part_of(const std::string& name);

}  // namespace kaem::diagnose
