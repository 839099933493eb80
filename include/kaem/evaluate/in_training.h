#pragma once

#include <functional>
#include <memory>

#include "kaem/config/config.h"
#include "kaem/train/evaluator.h"

namespace kaem::evaluate {

/// What [TRAINING] eval_metrics names, measured of a run while it trains, on its own held-out data: for
/// TrainOptions::evaluator. Columns are eval_NAME. log p(x) is that of importance sampling for priors that are
/// normalised, else of annealed importance sampling. Empty where eval_every is off; ConfigError for unknown names.
std::function<std::unique_ptr<Evaluator>(Trainer&)> in_training(const Config& config);

}  // namespace kaem::evaluate
