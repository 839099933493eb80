#include <ATen/ATen.h>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "csv_file.h"
#include "interpret.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/core/table.h"
#include "kaem/symbolic/components.h"
#include "kaem/symbolic/fit.h"
#include "kaem/train/derive.h"

namespace kaem::app {
namespace {

using at::Tensor;

struct SymbolicArguments : InterpretArguments {
  std::string candidates = "3", weight = "uniform";
};

constexpr const char* kSymbolicExamples = R"(
Examples:
  kaem symbolic last                                        formulas of the components that say most, and log p(x) with them all
  kaem symbolic last --candidates 5 --out formulas.csv      all components, five formulas each
  kaem symbolic last --write runs/symbolic                  a run whose prior is the formulas, for kaem sample and evaluate)";

constexpr int64_t kEnergyPoints = 401;

/// Fits, and the order in which components are shown.
struct ClosedForms {
  symbolic::Fits fits;
  Tensor divergence;           ///< [Q,P]
  std::vector<int64_t> order;  ///< q·P + p, the greatest divergence first
};

ClosedForms find_closed_forms(const LoadedRun& run, const std::string& weight) {
  const PriorCurves curves = symbolic::curves_of(*run.model->prior, kEnergyPoints, run.folder);
  ClosedForms forms{symbolic::fit(curves, weight), symbolic::summarise(curves).divergence, {}};
  const Tensor order = forms.divergence.flatten().argsort(/*stable=*/true, 0, /*descending=*/true);
  forms.order.assign(order.const_data_ptr<int64_t>(), order.const_data_ptr<int64_t>() + order.numel());
  return forms;
}

/// Calls row(q, p, divergence, rank, candidate) of so many components.
template <class Row>
void walk(const ClosedForms& forms, int64_t components, int64_t candidates, Row&& row) {
  const int64_t p_count = forms.divergence.size(1);
  for (size_t i = 0; i < forms.order.size() && static_cast<int64_t>(i) < components; ++i) {
    const int64_t q = forms.order[i] / p_count, p = forms.order[i] % p_count;
    const auto best = forms.fits.best(q, p, candidates);
    for (size_t rank = 0; rank < best.size(); ++rank)
      row(q, p, forms.divergence[q][p].item<double>(), rank + 1, best[rank]);
  }
}

std::string formula_of(const symbolic::Candidate& c) {
  return formula_text(univariate_functions()[static_cast<size_t>(c.function)], c.coefficients);
}

void print_table(const ClosedForms& forms, int64_t components, int64_t candidates, const LoadedRun& run) {
  std::cout << "energies f(z) = a*g(b*z + c) + d of " << grouped(static_cast<int64_t>(forms.order.size()))
            << " components of " << run.folder << " after update " << run.step
            << "\ncandidates by log2(1 - R2 + 1e-5) + complexity/2, the least first: two more of complexity must halve "
               "what is unexplained\n"
            << std::setw(5) << "q" << std::setw(5) << "p" << std::setw(10) << "KL(p|pi0)"
            << "  " << std::left << std::setw(11) << "function" << std::right << std::setw(9) << "R2" << std::setw(8)
            << "score"
            << "  formula\n";
  walk(forms, components, candidates, [&](int64_t q, int64_t p, double divergence, size_t rank, const auto& c) {
    if (rank == 1)
      std::cout << std::setw(5) << q << std::setw(5) << p << std::fixed << std::setprecision(4) << std::setw(10)
                << divergence;
    else
      std::cout << std::string(20, ' ');
    std::cout << "  " << std::left << std::setw(11) << univariate_functions()[static_cast<size_t>(c.function)].name
              << std::right << std::fixed << std::setprecision(5) << std::setw(9) << c.r2 << std::setprecision(2)
              << std::setw(8) << c.score << "  " << formula_of(c) << "\n";
  });
}

/// How often each function is the best, and how good the best are.
void print_counts(const ClosedForms& forms) {
  const Tensor best = forms.fits.score.argmin(0), r2 = forms.fits.r2.gather(0, best.unsqueeze(0)).flatten();
  std::vector<std::pair<int64_t, std::string>> counts;
  const auto functions = univariate_functions();
  for (size_t g = 0; g < functions.size(); ++g) {
    const auto count = (best == static_cast<int64_t>(g)).sum().item<int64_t>();
    if (count > 0) counts.emplace_back(count, std::string(functions[g].name));
  }
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::cout << "best of all components:";
  for (const auto& [count, name] : counts) std::cout << " " << name << " " << grouped(count);
  std::cout << "; R2: median " << std::setprecision(4) << r2.median().item<double>() << ", least "
            << r2.min().item<double>() << "\n";
}

void write_forms(const ClosedForms& forms, int64_t candidates, const std::string& path) {
  if (path.empty()) return;
  CsvFile file(path);
  file.text("q,p,divergence,rank,function,complexity,r2,score,a,b,c,d,formula\n");
  walk(forms, forms.divergence.numel(), candidates,
       [&](int64_t q, int64_t p, double divergence, size_t rank, const auto& c) {
         const auto& function = univariate_functions()[static_cast<size_t>(c.function)];
         file.text(str(q, ",", p)), file.number(',', divergence);
         file.text(str(",", rank, ",", function.name)), file.number(',', function.complexity);
         file.number(',', c.r2), file.number(',', c.score);
         for (const double number : c.coefficients) file.number(',', number);
         file.text("," + formula_of(c) + "\n");
       });
  file.close();
  std::cout << path << ": all components\n";
}

nlohmann::ordered_json json_of_forms(const ClosedForms& forms, int64_t candidates) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  walk(forms, forms.divergence.numel(), candidates,
       [&](int64_t q, int64_t p, double divergence, size_t rank, const auto& c) {
         if (rank == 1)
           list.push_back(
               {{"q", q}, {"p", p}, {"divergence", divergence}, {"candidates", nlohmann::ordered_json::array()}});
         const auto& function = univariate_functions()[static_cast<size_t>(c.function)];
         list.back()["candidates"].push_back({{"function", function.name},
                                              {"complexity", function.complexity},
                                              {"r2", c.r2},
                                              {"score", c.score},
                                              {"coefficients", c.coefficients},
                                              {"formula", formula_of(c)}});
       });
  return list;
}

/// log p(x) with the run's prior and with the formulas; the run's model has the formulas afterwards.
std::string compare(Interpreted& loaded, const std::shared_ptr<Prior>& prior) {
  ModelImpl& model = *loaded.run.model;
  const Tensor& x = loaded.evaluation->test().x;
  const Tensor before = metrics::importance_log_weights(model, x, loaded.samples, loaded.rng);
  model.set_prior(prior);
  const Tensor after = metrics::importance_log_weights(model, x, loaded.samples, loaded.rng);
  const auto was = metrics::importance_log_likelihood(before), is = metrics::importance_log_likelihood(after);
  const auto change = metrics::change_of(before, after);
  std::cout << log_likelihood_text(loaded, was, is, change, "closed forms");
  return log_likelihood_json(loaded, was, is, change, "symbolic");
}

void symbolic_command(const SymbolicArguments& a, const Common& common) {
  const int64_t candidates = integer_of("--candidates", a.candidates, 1, 100);
  check_interpret(a, common);
  const auto weights = symbolic::weight_names();
  if (std::find(weights.begin(), weights.end(), a.weight) == weights.end())
    throw UsageError(unknown_name_message("weight", a.weight, weights));
  const at::NoGradGuard no_grad;
  const auto loaded = load_interpreted(a, common, 0);
  LoadedRun& run = loaded->run;
  const ClosedForms forms = find_closed_forms(run, a.weight);
  print_table(forms, loaded->components, candidates, run);
  print_counts(forms);
  Config config = run.config;
  config.model.prior.energies = "symbolic";
  const auto prior = with_formulas(*run.model->prior, config.model.prior, forms.fits.formulas());
  nlohmann::ordered_json json = {{"components", json_of_forms(forms, candidates)}};
  if (loaded->evaluation) json["log_likelihood"] = nlohmann::ordered_json::parse(compare(*loaded, prior));
  write_forms(forms, candidates, common.out);
  write_same(a.json, json.dump(1) + "\n", "JSON");
  if (a.write.empty()) return;
  write_run_with_prior(run, config, *prior, a.write, common.command_line);
  std::cout << a.write << ": the run with closed forms for its prior\n";
}

}  // namespace

Command add_symbolic(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("symbolic", "Closed forms of a run's prior");
  const auto a = std::make_shared<SymbolicArguments>();
  add_interpret_options(*app, *a);
  app->add_option("--components", a->components, "Components in the table (16), by KL(p|pi0)")->type_name("N");
  app->add_option("--candidates", a->candidates, "Formulas of each (3)")->type_name("K");
  app->add_option("--weight", a->weight,
                  str("What a point counts: ", listed(symbolic::weight_names()),
                      " (uniform); density: half of it by the component's"));
  app->footer(kSymbolicExamples);
  const auto run = [a, &common] {
    if (a->run.empty())
      throw UsageError("kaem symbolic: expected a RUN (a run's folder, or last); see kaem symbolic --help");
    symbolic_command(*a, common);
  };
  return {app, run, interpret_uses()};
}

}  // namespace kaem::app
