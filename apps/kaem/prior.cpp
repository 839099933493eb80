#include "kaem/prior/curves.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>

#include "commands.h"
#include "csv_file.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/train/trainer.h"

namespace kaem::app {
namespace {

struct PriorArguments {
  std::string run, points;
};

constexpr int64_t kMostRows = 1000000, kLeastPoints = 101, kMostPoints = 2001;

constexpr const char* kPriorExamples = R"(
Example:
  kaem prior last --out prior.csv --points 501)";

void write_curves(const PriorCurves& curves, CsvFile& file) {
  const auto flat = [](const at::Tensor& t) { return t.to(at::kCPU, at::kDouble).contiguous(); };
  const auto z = flat(curves.z), energy = flat(curves.energy), reference = flat(curves.log_reference),
             density = flat(curves.density), cdf = flat(curves.cdf);
  const int64_t points = density.size(0), q_count = density.size(1), p_count = density.size(2);
  const auto column = [&](const at::Tensor& t) { return t.expand({points, q_count, p_count}).contiguous(); };
  const auto log_pi0 = column(reference);
  file.text("q,p,z,energy,log_pi0,density,cdf\n");
  for (int64_t q = 0; q < q_count; ++q)
    for (int64_t p = 0; p < p_count; ++p) {
      const std::string start = str(q, ",", p);
      for (int64_t k = 0; k < points; ++k) {
        const int64_t at = (k * q_count + q) * p_count + p;
        file.text(start);
        file.number(',', z.const_data_ptr<double>()[k]);
        for (const auto* t : {&energy, &log_pi0, &density, &cdf}) file.number(',', t->const_data_ptr<double>()[at]);
        file.text("\n");
      }
    }
}

void print_prior(const PriorArguments& a, const Common& common) {
  const std::string out = common.out.empty() ? "prior.csv" : common.out;
  check_target("--out", common.out);
  std::error_code ignored;
  if (!out.ends_with(".csv") && !std::filesystem::is_other(out, ignored) &&
      !std::filesystem::is_character_file(out, ignored) && !std::filesystem::is_fifo(out, ignored))
    throw UsageError(str("--out ", out, ": expected a name that ends in .csv"));
  const int64_t asked = a.points.empty() ? 0 : integer_of("--points", a.points, 2, 1000000);
  prepare_threads(common);
  const at::NoGradGuard no_grad;
  const LoadedRun run = load_run(a.run, common.device.empty() ? "auto" : common.device);
  const auto& widths = run.config.model.prior.layer_widths;
  const int64_t points = asked > 0 ? asked : std::clamp(kMostRows / (widths[0] * widths[1]), kLeastPoints, kMostPoints);
  const auto found = curves_of(*run.model->prior, points);
  if (!found) throw UsageError(run.folder + ": a deep prior has no univariate curves");
  const PriorCurves& curves = *found;
  CsvFile file(out);
  write_curves(curves, file);
  file.close();
  std::ostream& told = out == "/dev/stdout" ? std::cerr : std::cout;
  told << out << ": " << grouped(curves.density.numel()) << " rows, " << curves.density.size(1) << "x"
       << curves.density.size(2) << " components on [" << curves.z[0].item<float>() << "," << curves.z[-1].item<float>()
       << "] of " << run.folder << " after update " << run.step << "\n";
}

}  // namespace

Command add_prior(CLI::App& program, const Common& common) {
  CLI::App* app = program.add_subcommand("prior", "Write the prior's energies and densities as CSV");
  const auto a = std::make_shared<PriorArguments>();
  app->add_option("RUN", a->run, "Folder of a run, or last");
  app->add_option("--points", a->points,
                  "Evenly spaced z of each component (2001; fewer, but 101, where that would be over a million rows)")
      ->type_name("N");
  app->footer(kPriorExamples);
  const auto run = [a, &common] {
    if (a->run.empty()) throw UsageError("kaem prior: expected a RUN (a run's folder, or last); see kaem prior --help");
    print_prior(*a, common);
  };
  return {app, run, {"device", "threads", "out", "log", "quiet", "verbose", "memory"}};
}

}  // namespace kaem::app
