#include <ATen/ATen.h>

#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "evaluate/rows.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/metrics/pictures.h"

namespace kaem::evaluate {
namespace {

using at::Tensor;

std::vector<double> numbers_of(const Tensor& t) {
  const Tensor plain = t.to(at::kDouble).contiguous();
  return {plain.const_data_ptr<double>(), plain.const_data_ptr<double>() + plain.numel()};
}

std::string ratios_text(const std::vector<double>& ratios) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(2);
  for (size_t i = 0; i < ratios.size(); ++i) text << (i == 0 ? "" : " ") << ratios[i];
  return text.str();
}

Section measure_spectrum(Evaluation& e) {
  // Of all data there are, or as many as there are samples: test data would be too few for a smooth spectrum.
  const int64_t count = std::min(e.options.generated, e.data().train.size(0));
  const Tensor made = metrics::radial_spectrum(e.generated()),
               real = metrics::radial_spectrum(e.train_pictures(at::arange(count, at::kLong)));
  const Tensor mean_made = made.mean(0), mean_real = real.mean(0);
  const auto error_of = [](const Tensor& s) { return s.std(0) / std::sqrt(static_cast<double>(s.size(0))); };
  const Tensor ratio = (mean_made / mean_real).log10().slice(0, 1);
  // The error of log10 of a ratio of means, by the delta method.
  const Tensor relative = ((error_of(made) / mean_made).square() + (error_of(real) / mean_real).square()).slice(0, 1);
  const auto rings = static_cast<double>(ratio.numel());
  const double value = ratio.square().mean().sqrt().item<double>();
  const double error = (ratio.square() * relative).sum().sqrt().item<double>() / (std::log(10.0) * rings * value);
  Section section;
  section.scores = {{"spectrum, RMS log10 ratio", value, error, "0: the powers are those of the data"}};
  const int64_t half = ratio.numel() / 2;
  section.scores.push_back(
      {"spectrum, low wavenumbers", ratio.slice(0, 0, half).mean().item<double>(), std::nan(""), "mean log10 ratio"});
  section.scores.push_back(
      {"spectrum, high wavenumbers", ratio.slice(0, half).mean().item<double>(), std::nan(""), "mean log10 ratio"});
  section.text = text_of("Radial power spectrum",
                         {str(grouped(made.size(0)), " samples against ", grouped(count),
                              " training data, wavenumbers 1 to ", ratio.numel(), "; their power over the data's:"),
                          ratios_text(numbers_of(at::pow(10.0, ratio)))},
                         section.scores);
  section.json =
      nlohmann::ordered_json{{"spectrum", {{"samples", numbers_of(mean_made)}, {"data", numbers_of(mean_real)}}}}
          .dump();
  return section;
}

}  // namespace

Metric spectrum_metric() {
  return {"spectrum", "radial power spectrum of samples against that of the data", needs_pictures, measure_spectrum};
}

}  // namespace kaem::evaluate
