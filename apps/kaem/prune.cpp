#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "csv_file.h"
#include "interpret.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/symbolic/prune.h"
#include "kaem/train/derive.h"

namespace kaem::app {
namespace {

using at::Tensor;

struct PruneArguments : InterpretArguments {
  std::string threshold, keep;
};

constexpr const char* kPruneExamples = R"(
Examples:
  kaem prune last --keep 100                            what log p(x) loses where all but 100 energies are 0
  kaem prune last --threshold 0.5 --write runs/pruned   as many energies as half a nat pays for; a run without them)";

double threshold_of(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value) || value < 0)
    throw UsageError(str("--threshold ", text, ": expected a number of nats, 0 or more"));
  return value;
}

/// A component whose own change was measured.
struct Own {
  int64_t q, p;
  metrics::Change change;
};

/// The effect of each of the components that say most, alone.
std::vector<Own> measure_own(const symbolic::Pruning& pruning, int64_t count) {
  const int64_t all = pruning.order().size(0), p_count = pruning.divergence().size(1);
  std::vector<Own> measured;
  for (int64_t i = all - 1; i >= std::max<int64_t>(0, all - count); --i) {
    const auto component = pruning.order()[i].item<int64_t>();
    Tensor which = at::zeros_like(pruning.divergence(), at::kBool);
    which.flatten()[component].fill_(true);
    measured.push_back({component / p_count, component % p_count, pruning.change(which)});
  }
  return measured;
}

void print_own(const symbolic::Pruning& pruning, const std::vector<Own>& own, const Tensor& pruned) {
  std::cout << "one energy set to 0, those that say most first: change of log p(x), nats\n"
            << std::setw(5) << "q" << std::setw(5) << "p" << std::setw(11) << "KL(p|pi0)" << std::setw(12) << "change"
            << std::setw(10) << "s.e.\n";
  for (const Own& o : own)
    std::cout << std::setw(5) << o.q << std::setw(5) << o.p << std::fixed << std::setprecision(5) << std::setw(11)
              << pruning.divergence()[o.q][o.p].item<double>() << std::setprecision(4) << std::setw(12) << o.change.mean
              << std::setw(9) << o.change.error << (pruned[o.q][o.p].item<bool>() ? "  pruned" : "") << "\n";
}

void print_tried(const symbolic::Pruning& pruning, const std::vector<symbolic::Cut>& tried, int64_t found) {
  std::cout << "energies set to 0 together, those that say least first\n"
            << std::setw(10) << "energies" << std::setw(14) << "up to KL" << std::setw(12) << "change" << std::setw(10)
            << "s.e.\n";
  for (const auto& cut : tried) {
    const double divergence =
        cut.count == 0 ? 0
                       : pruning.divergence().flatten()[pruning.order()[cut.count - 1].item<int64_t>()].item<double>();
    std::cout << std::setw(10) << grouped(cut.count) << std::fixed << std::setprecision(5) << std::setw(14)
              << divergence << std::setprecision(4) << std::setw(12) << cut.change.mean << std::setw(9)
              << cut.change.error << (cut.count == found ? "  taken" : "") << "\n";
  }
}

void write_pruning(const symbolic::Pruning& pruning, const std::vector<Own>& own, const Tensor& pruned,
                   const std::string& path) {
  if (path.empty()) return;
  CsvFile file(path);
  file.text("q,p,divergence,pruned,change,standard_error\n");
  const int64_t p_count = pruned.size(1);
  for (int64_t i = 0; i < pruned.numel(); ++i) {
    const auto component = pruning.order()[i].item<int64_t>();
    const int64_t q = component / p_count, p = component % p_count;
    file.text(str(q, ",", p)), file.number(',', pruning.divergence()[q][p].item<double>());
    file.text(pruned[q][p].item<bool>() ? ",1" : ",0");
    const auto found = std::find_if(own.begin(), own.end(), [&](const Own& o) { return o.q == q && o.p == p; });
    if (found == own.end())
      file.text(",,");
    else
      file.number(',', found->change.mean), file.number(',', found->change.error);
    file.text("\n");
  }
  file.close();
  std::cout << path << ": all components\n";
}

nlohmann::ordered_json json_of_pruning(const symbolic::Pruning& pruning, const std::vector<Own>& own,
                                       const Tensor& pruned) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  const int64_t p_count = pruned.size(1);
  for (int64_t i = 0; i < pruned.numel(); ++i) {
    const auto component = pruning.order()[i].item<int64_t>();
    const int64_t q = component / p_count, p = component % p_count;
    list.push_back({{"q", q},
                    {"p", p},
                    {"divergence", pruning.divergence()[q][p].item<double>()},
                    {"pruned", pruned[q][p].item<bool>()}});
    for (const Own& o : own)
      if (o.q == q && o.p == p)
        list.back()["change"] = {{"mean", o.change.mean}, {"standard_error", o.change.error}};  // NaN is null
  }
  return list;
}

/// How many are to go, of those that say least; what was tried on the way to a threshold is printed.
int64_t count_of(const PruneArguments& a, const symbolic::Pruning& pruning) {
  const int64_t all = pruning.order().size(0);
  if (!a.keep.empty()) return all - integer_of("--keep", a.keep, 0, all);
  const auto search = pruning.search(threshold_of(a.threshold));
  print_tried(pruning, search.tried, search.found);
  return search.found;
}

void prune_command(const PruneArguments& a, const Common& common) {
  if (a.keep.empty() == a.threshold.empty())
    throw UsageError("kaem prune: expected one of --threshold NATS and --keep N");
  if (!a.threshold.empty()) (void)threshold_of(a.threshold);
  if (!a.keep.empty()) (void)integer_of("--keep", a.keep, 0, 1000000000);
  check_interpret(a, common);
  const at::NoGradGuard no_grad;
  const auto loaded = load_interpreted(a, common, 1);
  LoadedRun& run = loaded->run;
  symbolic::Pruning pruning(*run.model, loaded->evaluation->test().x, loaded->samples, loaded->rng);
  std::cout << grouped(pruning.order().size(0)) << " components of " << run.folder << " after update " << run.step
            << "\n";
  const int64_t count = count_of(a, pruning);
  const Tensor pruned = pruning.least(count);
  const auto own = measure_own(pruning, loaded->components);
  print_own(pruning, own, pruned);
  const auto before = pruning.before();
  const auto change = pruning.change(pruned);
  pruning.apply(pruned);
  const auto after =
      metrics::importance_log_likelihood(*run.model, loaded->evaluation->test().x, loaded->samples, loaded->rng);
  std::cout << log_likelihood_text(*loaded, before, after, change, str("without ", grouped(count), " energies"));
  nlohmann::ordered_json json = {
      {"pruned", count},
      {"kept", pruned.numel() - count},
      {"components", json_of_pruning(pruning, own, pruned)},
      {"log_likelihood", nlohmann::ordered_json::parse(log_likelihood_json(*loaded, before, after, change, "pruned"))}};
  write_pruning(pruning, own, pruned, common.out);
  write_same(a.json, json.dump(1) + "\n", "JSON");
  if (a.write.empty()) return;
  write_run_with_prior(run, run.config, *run.model->prior, a.write, common.command_line);
  std::cout << a.write << ": the run without these energies\n";
}

}  // namespace

Command add_prune(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("prune", "Energies of a run's prior that do not matter");
  const auto a = std::make_shared<PruneArguments>();
  add_interpret_options(*app, *a);
  app->add_option("--threshold", a->threshold, "Prune as many as cost at most so much log p(x)")->type_name("NATS");
  app->add_option("--keep", a->keep, "Prune all but those N that say most, by KL(p|pi0)")->type_name("N");
  app->add_option("--components", a->components, "Components whose own effect is measured (16), those that say most")
      ->type_name("N");
  app->footer(kPruneExamples);
  const auto run = [a, &common] {
    if (a->run.empty()) throw UsageError("kaem prune: expected a RUN (a run's folder, or last); see kaem prune --help");
    prune_command(*a, common);
  };
  return {app, run, interpret_uses()};
}

}  // namespace kaem::app
