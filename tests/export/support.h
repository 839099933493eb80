#pragma once

#include <torch/types.h>

#include <string>

#include "kaem/export/format.h"
#include "kaem/prior/prior.h"
#include "support/files.h"

namespace kaem::test {

/// A run whose parameters are random, without a folder. Energies and curves are large enough to be seen.
inline LoadedRun random_run(const ModelOptions& options, DataShape shape, double size = 0.3) {
  const torch::NoGradGuard no_grad;
  LoadedRun run;
  run.config.model = options;
  run.folder = "run", run.device = "cpu";
  run.model = Model(options, shape, Rng(11));
  const Rng rng(12);
  run.model->initialise_grids(rng, 200);  // before the curves are made anew
  int64_t part = 0;
  for (auto& p : run.model->named_parameters()) {
    const bool curve = p.key().find("coefficients") != std::string::npos;
    if (p.key().find("scales") == std::string::npos)  // widths of wavelets stay positive
      p.value().add_((curve ? 3 * size : size) * rng.normal(Stream::kTest, part, p.value().sizes()));
    ++part;
  }
  for (auto& b : run.model->named_buffers())
    if (b.key().find("running") != std::string::npos)
      b.value().copy_(0.5 + rng.uniform(Stream::kTest, part++, b.value().sizes(), torch::kFloat));
  run.model->eval();
  return run;
}

/// P = 2, Q = 3 and a KAN generator of widths 3, 4, D.
inline ModelOptions small_options(const std::string& basis = "RBF") {
  ModelOptions options;
  options.prior.layer_widths = {2, 3};
  options.prior.quadrature_nodes = 64;
  options.prior.basis.kind = basis, options.prior.basis.grid_size = 6;
  options.generator.widths = {3, 4};
  options.generator.basis.kind = basis, options.generator.basis.grid_size = 5;
  return options;
}

/// Writes the run in a format; what is said of the file.
inline std::string exported(LoadedRun& run, const std::string& format, const exports::Options& options) {
  const torch::NoGradGuard no_grad;
  return exports::format_of(format).write(run, options, Rng(run.config.run.seed));
}

}  // namespace kaem::test
