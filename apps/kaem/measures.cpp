#include "measures.h"

#include <algorithm>

#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/data/cache_folder.h"
#include "kaem/mcmc/kernels.h"

namespace kaem::app {
namespace {

void check_word(const char* what, const std::string& word, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), word) == known.end())
    throw UsageError(unknown_name_message(what, word, known));
}

}  // namespace

void add_measure_options(CLI::App& app, MeasureArguments& a) {
  std::string names;
  for (const auto& metric : evaluate::all_metrics()) names += str("\n", metric.name, ": ", metric.help);
  app.add_option("--metrics", a.metrics, str("all, or some of these, separated by commas (", a.metrics, ")", names));
  app.add_option("--methods", a.methods,
                 str("Estimates of log p(x): is, ss, ais, separated by commas (", a.methods, ")"));
  app.add_option("-n,--count", a.count, "Test data (100)")->type_name("N");
  app.add_option("--samples", a.samples, "Draws of importance sampling (10000)")->type_name("N");
  app.add_option("--chains", a.chains, "Chains of each data point (10)")->type_name("N");
  app.add_option("--levels", a.levels, "Temperatures of AIS (500)")->type_name("N");
  app.add_option("--kernel", a.kernel, str("Moves of ss and ais: ", listed(mcmc::exact_kernel_names()), " (mala)"));
  app.add_option("--generated", a.generated, "Samples that are compared with data (10000)")->type_name("N");
  app.add_option("--features", a.features,
                 "Network for fid, kid, precision-recall (else a classifier, trained on the labels)")
      ->type_name("NET.pt");
  app.add_option("--statistics", a.statistics,
                 "Mean and covariance of the data's features: read if there, else written")
      ->type_name("F.npz");
  app.add_option("--against", a.against, "Data set that ood tells the run's own from")->type_name("D");
}

evaluate::Options options_of(const MeasureArguments& a) {
  evaluate::Options o;
  o.count = integer_of("-n", a.count, 1, 1000000), o.samples = integer_of("--samples", a.samples, 1, 100000000);
  o.chains = integer_of("--chains", a.chains, 1, 100000), o.levels = integer_of("--levels", a.levels, 2, 1000000);
  o.generated = integer_of("--generated", a.generated, 16, 10000000);
  o.methods = evaluate::words_of(a.methods), o.kernel = a.kernel;
  o.against = a.against, o.features = a.features, o.statistics = a.statistics;
  o.cache = cache_folder();
  if (o.methods.empty()) throw UsageError("--methods: expected at least one of is, ss, ais");
  for (auto method = o.methods.begin(); method != o.methods.end(); ++method) {
    check_word("method", *method, {"is", "ss", "ais"});
    if (std::find(o.methods.begin(), method, *method) != method)
      throw UsageError(str("--methods ", a.methods, ": names ", *method, " twice"));
  }
  check_word("kernel", a.kernel, mcmc::exact_kernel_names());
  if (o.chains < 2 && std::find(o.methods.begin(), o.methods.end(), "ss") != o.methods.end())
    throw UsageError("--chains 1: stepping-stone sampling (ss) needs at least 2");
  if (!a.statistics.empty() && !a.statistics.ends_with(".npz"))
    throw UsageError(str("--statistics ", a.statistics, ": expected a name that ends in .npz"));
  return o;
}

std::vector<evaluate::Metric> metrics_of(const MeasureArguments& a, const std::vector<std::string>& more) {
  std::vector<std::string> words = evaluate::words_of(a.metrics);
  if (words == std::vector<std::string>{"all"}) return evaluate::all_metrics();
  if (words.empty()) throw UsageError(str("--metrics: expected all, or some of ", listed(evaluate::metric_names())));
  for (const auto& name : more)
    if (std::find(words.begin(), words.end(), name) == words.end()) words.push_back(name);
  std::vector<evaluate::Metric> metrics;
  for (const auto& word : words) metrics.push_back(evaluate::metric_of(word));
  return metrics;
}

}  // namespace kaem::app
