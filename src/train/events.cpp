#include "events.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "kaem/core/error.h"
#include "kaem/core/log.h"
#include "kaem/core/str.h"
#include "kaem/io/image.h"
#include "kaem/prior/curves.h"
#include "kaem/prior/prior.h"
#include "kaem/symbolic/components.h"

namespace kaem {
namespace {

constexpr int64_t kPoints = 200;      // of a curve
constexpr int64_t kComponents = 100;  // whose densities are drawn, a row each

std::string tag_of(const std::string& name) {
  for (const char* group : {"eval_", "grid_", "swap_"})
    if (name.starts_with(group)) return std::string(group, 4) + "/" + name.substr(5);
  const bool clock = name == "epoch" || name == "seconds";
  return (clock ? "clock/" : "train/") + name;
}

std::vector<double> values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kCPU, at::kDouble).contiguous().flatten();
  const auto* data = flat.const_data_ptr<double>();
  return {data, data + flat.numel()};
}

/// Densities as rows of grey, each as bright as its greatest value: [1,1,components,points].
at::Tensor density_rows(const PriorCurves& curves) {
  const at::Tensor rows = curves.density.flatten(1).t();
  const at::Tensor shown = rows.narrow(0, 0, std::min(rows.size(0), kComponents));
  return (shown / shown.amax(1, true).clamp_min(1e-30)).unsqueeze(0).unsqueeze(0);
}

}  // namespace

void RunEvents::write(const std::function<void()>& what) {
  if (!on_) return;
  try {
    what();
  } catch (const Error& e) {
    log::warn(str("TensorBoard gets no more of this run: ", e.what()));
    on_ = false;
  }
}

void RunEvents::configuration(const Config& config, int64_t step) {
  if (file().exists()) return;
  write([&] {  // four spaces: code in Markdown
    std::string text = "    " + to_ini(config);
    for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 5) text.insert(at + 1, "    ");
    events_.text("configuration", text, step);
  });
}

void RunEvents::row(const std::vector<Number>& row, int64_t step) {
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [name, value, measure] : row)
    if (name != "step" && std::isfinite(value)) scalars.emplace_back(tag_of(name), value);
  write([&] { events_.scalars(scalars, step); });
}

void RunEvents::samples(const std::string& png, int64_t step) {
  write([&] { events_.picture("samples", png, step); });
}

void RunEvents::lines(const std::vector<std::string>& lines, int64_t step) {
  std::string text;
  for (const auto& line : lines) text.append("    ").append(line).append("\n");
  write([&] { events_.text("samples", text, step); });
}

void RunEvents::prior(Prior& prior, const at::Tensor& z, int64_t step) {
  if (!on_) return;
  const at::NoGradGuard no_grad;
  const auto curves = curves_of(prior, kPoints);
  write([&] {
    events_.histogram("prior/latents", io::histogram_of(values_of(z)), step);
    if (!curves) return;
    events_.histogram("prior/energies", io::histogram_of(values_of(curves->energy)), step);
    events_.histogram("prior/KL to the reference",
                      io::histogram_of(values_of(symbolic::summarise(symbolic::with_densities(*curves)).divergence)),
                      step);
    events_.picture("prior/densities", io::png_grid(density_rows(*curves), 1, 0), step);
  });
}

}  // namespace kaem
