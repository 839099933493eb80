#include "interpret.h"

#include <ATen/ATen.h>

#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/symbolic/components.h"
#include "kaem/train/derive.h"

namespace kaem::app {
namespace {

double mean_of(const at::Tensor& values) { return values.mean().item<double>(); }

}  // namespace

void add_interpret_options(CLI::App& app, InterpretArguments& a) {
  app.add_option("RUN", a.run, "Folder of a run, or last");
  app.add_option("-n,--count", a.count, "Test data of log p(x) (100)")->type_name("N");
  app.add_option("--samples", a.samples, "Draws of importance sampling (10000)")->type_name("N");
  app.add_option("--json", a.json, "The tables as JSON")->type_name("F");
  app.add_option("--write", a.write, "Write a run with the new prior: a folder that is not there yet")
      ->type_name("DIR");
}

std::vector<std::string> interpret_uses() {
  return {"device", "threads",       "seed",  "data-dir", "offline", "out",
          "log",    "deterministic", "quiet", "verbose",  "memory"};
}

void check_interpret(const InterpretArguments& a, const Common& common) {
  check_targets({{"--out", common.out}, {"--json", a.json}});
  if (!common.out.empty() && !common.out.ends_with(".csv"))
    throw UsageError(str("--out ", common.out, ": expected a name that ends in .csv"));
  if (!a.write.empty()) check_new_run("--write", a.write);
}

std::unique_ptr<Interpreted> load_interpreted(const InterpretArguments& a, const Common& common, int64_t least_count) {
  evaluate::Options options;
  options.count = integer_of("-n", a.count, least_count, 1000000);
  const int64_t components = integer_of("--components", a.components, 1, 1000000000),
                samples = integer_of("--samples", a.samples, 1, 100000000);
  constexpr int64_t kMostWeights = 100000000;
  if (options.count * samples > kMostWeights)
    throw UsageError(str("-n ", options.count, " --samples ", samples, ": at most ", grouped(kMostWeights),
                         " pairs of a data point and a draw are kept"));
  prepare_threads(common);
  auto loaded = std::make_unique<Interpreted>(
      Interpreted{load_run(a.run, common.device.empty() ? "auto" : common.device), components, samples, Rng(0), {}});
  loaded->rng = Rng(seed_of(common, loaded->run.config.run.seed));
  symbolic::check_energies(*loaded->run.model->prior, loaded->run.folder);
  if (options.count == 0) return loaded;
  loaded->evaluation =
      std::make_unique<evaluate::Evaluation>(loaded->run, data_of(loaded->run, common), options, loaded->rng);
  (void)loaded->evaluation->test();
  for (const auto& warning : loaded->evaluation->warnings) log::warn(warning);
  return loaded;
}

std::string log_likelihood_text(const Interpreted& run, const metrics::LogLikelihood& before,
                                const metrics::LogLikelihood& after, const metrics::Change& change,
                                const std::string& after_name) {
  std::ostringstream out;
  out << "log p(x) of " << before.value.size(0) << " test data by " << grouped(run.samples)
      << " draws, nats (change: of the same draws)\n"
      << std::left << std::setw(24) << "prior" << std::right << std::setw(14) << "mean" << std::setw(12) << "s.e."
      << std::setw(10) << "ESS\n";
  const auto line = [&](const std::string& name, double mean, double error, double ess) {
    out << std::left << std::setw(24) << name << std::right << std::fixed << std::setprecision(4) << std::setw(14)
        << mean << std::setw(12) << error;
    if (!std::isnan(ess)) out << std::setprecision(1) << std::setw(9) << ess;
    out << "\n";
  };
  line("of the run", mean_of(before.value), before.error_of_mean(), mean_of(before.ess));
  line(after_name, mean_of(after.value), after.error_of_mean(), mean_of(after.ess));
  line("change", change.mean, change.error, std::nan(""));
  constexpr double kFew = 3;
  if (mean_of(before.ess) < kFew)
    out << "an estimate rests on " << std::setprecision(2) << mean_of(before.ess)
        << " draws a data point: log p(x) may be far above it, and the s.e. do not show it\n";
  return out.str();
}

std::string log_likelihood_json(const Interpreted& run, const metrics::LogLikelihood& before,
                                const metrics::LogLikelihood& after, const metrics::Change& change,
                                const std::string& after_key) {
  const auto estimate = [](const metrics::LogLikelihood& e) {
    return nlohmann::ordered_json{
        {"mean", mean_of(e.value)}, {"standard_error", e.error_of_mean()}, {"ess", mean_of(e.ess)}};
  };
  return nlohmann::ordered_json{{"test_data", before.value.size(0)},
                                {"samples", run.samples},
                                {"run", estimate(before)},
                                {after_key, estimate(after)},
                                {"change", {{"mean", change.mean}, {"standard_error", change.error}}}}
      .dump();
}

}  // namespace kaem::app
