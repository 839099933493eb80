#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kaem/baseline/options.h"
#include "kaem/core/shape.h"

/// Other models that are trained with the same data, optimiser, folder and measures: modes `baseline-…`. Each is a
/// KAEM's model of other parts (prior, generator, likelihood), with a posterior and a criterion of its own.
/// docs/mathematics.md section 8. Without LibTorch.
namespace kaem {

class Rng;
struct ModelImpl;
struct ModelOptions;
struct Objective;
struct ObjectiveOptions;
struct Posterior;
struct PosteriorContext;
struct PosteriorOptions;

/// What a baseline's section decides of the options that all models share.
struct BaselineSettings {
  ModelOptions& model;
  PosteriorOptions& posterior;
  ObjectiveOptions& objective;
  double learning_rate = 0;  ///< in place of [OPTIMIZER] learning_rate; 0: that stays
  double second_rate = 0;    ///< of the parameters below BaselineRow::second_rate; 0: as the others
};

struct BaselineRow {
  std::string_view mode;                 ///< [TRAINING] mode
  std::string_view section;              ///< of its own keys
  std::vector<std::string_view> shares;  ///< sections of KAEM's that it reads too

  /// Sets the shared options to what the section says; ConfigError about keys that do not fit each other.
  void (*settle)(BaselineOptions& options, BaselineSettings& settings);
  /// The model, on the CPU; ConfigError if it does not fit the data.
  std::shared_ptr<ModelImpl> (*model)(const BaselineOptions& options, const ModelOptions& shared,
                                      const DataShape& shape, const Rng& rng);
  /// How it is trained; null: as the shared options say.
  std::unique_ptr<Posterior> (*posterior)(const PosteriorOptions& shared, ModelImpl& model,
                                          const PosteriorContext& context, const Rng& rng) = nullptr;
  std::unique_ptr<Objective> (*objective)(const BaselineOptions& options) = nullptr;
  /// What log p(x) there is: none, without p(x|z); by annealed importance sampling alone, without the prior's log Z.
  bool density = true, normalised = true;
  /// Whether a picture takes one pass of the generator, so that thousands of latents can be looked at.
  bool one_pass = true;
  /// Parameters whose names begin so take the second learning rate.
  std::string_view second_rate = "prior.";
};

const std::vector<BaselineRow>& baselines();

/// The row of a mode; null for KAEM's own modes.
const BaselineRow* find_baseline(std::string_view mode);

}  // namespace kaem
