#include "kaem/export/traverse.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>
#include <set>

#include "commands.h"
#include "csv_file.h"
#include "kaem/baseline/baselines.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/export/draws.h"
#include "kaem/io/image.h"

namespace kaem::app {
namespace {

using exports::Component;

struct TraverseArguments {
  std::string run, components = "10", columns = "9", draws = "16", csv;
  bool every = false;
};

constexpr const char* kTraverseExamples = R"(
Examples:
  kaem traverse last --out traverse.png
  kaem traverse last --every                               several components of one input of the generator, too
  kaem traverse last --components 20 --columns 11 --csv components.csv)";

/// "q,p" of the univariate prior, else the one number.
std::string name_of(const Component& component, const std::vector<int64_t>& latent) {
  if (latent.size() < 2) return std::to_string(component.index);
  return str(component.index / latent[1], ",", component.index % latent[1]);
}

std::string columns_of(const std::vector<int64_t>& latent) { return latent.size() < 2 ? "q" : "q,p"; }

void write_table(const std::string& path, const std::vector<Component>& components,
                 const std::vector<int64_t>& latent) {
  CsvFile file(path);
  file.text(columns_of(latent) + ",distance,standard_error,low,high\n");
  for (const Component& component : components) {
    file.text(name_of(component, latent));
    for (const double value : {component.distance, component.error, component.low, component.high})
      file.number(',', value);
    file.text("\n");
  }
  file.close();
}

void print_table(const std::vector<Component>& components, const std::vector<int64_t>& latent) {
  constexpr int kName = 10, kNumber = 12;
  std::cout << std::left << std::setw(kName) << columns_of(latent) << std::right << std::setw(kNumber) << "distance"
            << std::setw(kNumber) << "s.e." << std::setw(kNumber) << "5 %" << std::setw(kNumber) << "95 %"
            << "\n"
            << std::fixed << std::setprecision(4);
  for (const Component& c : components)
    std::cout << std::left << std::setw(kName) << name_of(c, latent) << std::right << std::setw(kNumber) << c.distance
              << std::setw(kNumber) << c.error << std::setw(kNumber) << c.low << std::setw(kNumber) << c.high << "\n";
  std::cout << std::defaultfloat;
}

/// Of the components [Q,P] that add up to one input of the generator, the first alone.
std::vector<Component> one_per_input(const std::vector<Component>& components, int64_t p_count) {
  std::set<int64_t> seen;
  std::vector<Component> left;
  for (const Component& component : components)
    if (seen.insert(component.index / p_count).second) left.push_back(component);
  return left;
}

void traverse(const TraverseArguments& a, const Common& common) {
  const std::string out = common.out.empty() ? "traverse.png" : common.out;
  if (!out.ends_with(".png")) throw UsageError(str("--out ", out, ": expected a name that ends in .png"));
  check_targets({{"--out", out}, {"--csv", a.csv}});
  const int64_t shown = integer_of("--components", a.components, 1, 1000),
                columns = integer_of("--columns", a.columns, 2, 100), draws = integer_of("--draws", a.draws, 2, 10000);
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  LoadedRun run = load_run(a.run, common.device.empty() ? "auto" : common.device);
  if (exports::is_text(run)) throw UsageError(run.folder + ": a run on text makes no pictures to compare");
  if (const BaselineRow* baseline = find_baseline(run.config.run.mode); baseline != nullptr && !baseline->one_pass)
    throw UsageError(run.folder +
                     ": its latents are noise, which many passes of a network turn into one picture: there "
                     "are no components to compare");
  const Rng rng(seed_of(common, run.config.run.seed));
  auto components = exports::components_by_distance(run, rng, draws, show_progress());
  const std::vector<int64_t> latent = run.model->latent_shape();
  if (!a.csv.empty()) write_table(a.csv, components, latent);
  if (!a.every && latent.size() > 1) components = one_per_input(components, latent[1]);
  const int64_t all = static_cast<int64_t>(components.size());
  components.resize(static_cast<size_t>(std::min(shown, all)));
  io::write_png_grid(out, exports::traversals(run, rng, components, columns), columns);
  print_table(components, latent);
  std::cout << out << ": " << components.size() << " of " << grouped(all) << " components of " << run.folder
            << " after update " << run.step << ", a row each, over their quantiles from 5 % to 95 %\n";
  if (!a.csv.empty()) std::cout << a.csv << ": all components\n";
}

}  // namespace

Command add_traverse(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("traverse", "Draw what the latent components that matter most do");
  const auto a = std::make_shared<TraverseArguments>();
  app->add_option("RUN", a->run, "Folder of a run, or last");
  app->add_option("--components", a->components, "Components that are drawn (10)")->type_name("N");
  app->add_option("--columns", a->columns, "Pictures of each (9)")->type_name("K");
  app->add_option("--draws", a->draws, "Prior draws that distances are means over (16)")->type_name("N");
  app->add_flag("--every", a->every,
                "All components q,p of a q, not the first alone: the generator sees their sum, so rows are much alike");
  app->add_option("--csv", a->csv, "The table of all components as CSV")->type_name("F.csv");
  app->footer(kTraverseExamples);
  const auto run = [a, &common] {
    if (a->run.empty())
      throw UsageError("kaem traverse: expected a RUN (a run's folder, or last); see kaem traverse --help");
    traverse(*a, common);
  };
  return {app, run, {"device", "threads", "seed", "out", "log", "deterministic", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
