#pragma once

#include <memory>
#include <string>

#include "commands.h"
#include "kaem/core/rng.h"
#include "kaem/evaluate/evaluation.h"
#include "kaem/metrics/log_likelihood.h"
#include "kaem/train/trainer.h"

namespace kaem::app {

/// What `kaem symbolic` and `kaem prune` share: a run, where results go, and log p(x) of its test data.
struct InterpretArguments {
  std::string run, components = "16", count = "100", samples = "10000", json, write;
};

void add_interpret_options(CLI::App& app, InterpretArguments& arguments);

/// Common options that have an effect on both.
std::vector<std::string> interpret_uses();

/// UsageError before the work: targets that cannot be written.
void check_interpret(const InterpretArguments& arguments, const Common& common);

/// A run with its test data, and how log p(x) of them is estimated.
struct Interpreted {
  LoadedRun run;
  int64_t components, samples;
  Rng rng;
  std::unique_ptr<evaluate::Evaluation> evaluation;  ///< null where no test data are wanted
};
std::unique_ptr<Interpreted> load_interpreted(const InterpretArguments& arguments, const Common& common,
                                              int64_t least_count);

/// "log p(x) of 100 test data, 10,000 draws" and rows of it: before, after, their difference.
std::string log_likelihood_text(const Interpreted& run, const metrics::LogLikelihood& before,
                                const metrics::LogLikelihood& after, const metrics::Change& change,
                                const std::string& after_name);
/// The same as a JSON object; `after_key`: the name of what has the new prior.
std::string log_likelihood_json(const Interpreted& run, const metrics::LogLikelihood& before,
                                const metrics::LogLikelihood& after, const metrics::Change& change,
                                const std::string& after_key);

}  // namespace kaem::app
