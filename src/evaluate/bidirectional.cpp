#include <ATen/ATen.h>

#include "evaluate/rows.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/prior/prior.h"

namespace kaem::evaluate {
namespace {

Section measure_bidirectional(Evaluation& e) {
  ModelImpl& model = *e.run.model;
  // Simulated data: the one case in which draws from the posterior are known, those that made them.
  const at::Tensor z = model.prior->view()->sample(e.options.count, e.rng, Stream::kEvaluate, 3);
  const at::Tensor x = model.likelihood->draw(model.generate_raw(z), e.rng, Stream::kEvaluate, 4);
  const metrics::PathOptions path{.kernel = e.options.kernel, .levels = e.options.levels, .chains = e.options.chains};
  const at::Tensor below = metrics::annealed_log_likelihood(model, x, path, e.rng).value,
                   above = metrics::reverse_annealed_log_likelihood(model, x, z, path, e.rng).value;
  Section section;
  section.scores = {mean_of("log p(x) from below", below), mean_of("log p(x) from above", above),
                    mean_of("gap", above - below, "AIS on data like these is off by no more, in expectation")};
  section.text = text_of("Bidirectional Monte Carlo",
                         {str(grouped(e.options.count), " data simulated from the model, ", e.options.levels,
                              " temperatures, ", e.options.chains, " chains")},
                         section.scores);
  return section;
}

/// Why reverse chains cannot be started. Empty: they can.
std::string needs_exact_draws(Evaluation& e) {
  if (e.is_text()) return "it simulates pictures, but this run is on text";
  if (const std::string why = needs_density(e); !why.empty()) return why;
  return e.run.model->prior->view()->distribution() == nullptr ? "a deep prior has no exact draws" : "";
}

}  // namespace

Metric bidirectional_metric() {
  return {"bdmc", "log p(x) of data simulated from the model, bracketed by annealing both ways", needs_exact_draws,
          measure_bidirectional};
}

}  // namespace kaem::evaluate
