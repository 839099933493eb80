#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "export/rows.h"
#include "kaem/core/number.h"
#include "kaem/core/str.h"
#include "kaem/io/file.h"
#include "kaem/io/npy.h"
#include "kaem/prior/prior.h"

namespace kaem::exports {
namespace {

using at::Tensor;

constexpr int64_t kNumbersAtOnce = int64_t{1} << 22;  // numbers of a piece of the tables
constexpr double kWanted = 1e-3;                      // the error that a table should keep below

/// F⁻¹ of every component at 2^bits uniforms, in 2^bits steps over the component's own range.
struct Lookup {
  Tensor codes;      ///< uint16 [latent..., 2^bits]
  Tensor low, high;  ///< float64 [C]: F⁻¹ at the middles of the first and the last entry
  Tensor errors;     ///< float64 [latent...]: the largest |F(value) - u| of each component
};

/// Entry i stands for u in [i, i+1)/n and holds F⁻¹ of the middle, to the nearest of n values. F of the entry is one
/// number there, so that it differs most from u at one of the two ends. The values of a component lie between those of
/// its first and its last entry: a narrow density has steps as fine as a wide one, relative to its width.
Lookup make_lookup(const CoordinateDistribution& distribution, const std::vector<int64_t>& latent, int64_t bits) {
  const int64_t entries = int64_t{1} << bits;
  const auto n = static_cast<double>(entries);
  int64_t components = 1;
  for (const int64_t size : latent) components *= size;
  std::vector<int64_t> shape = latent;
  shape.insert(shape.begin(), 1);
  const Tensor& like = distribution.table()->cdf;
  const auto quantile = [&](const Tensor& u, int64_t points) {  // u [points,1] -> [points,C]
    return distribution.icdf(u.expand({points, components}).to(like.options()).reshape(shape))
        .to(at::kCPU, at::kDouble)
        .reshape({points, components});
  };
  shape[0] = 2;
  const Tensor ends = quantile(at::tensor({0.5 / n, 1 - 0.5 / n}, at::kDouble).unsqueeze(1), 2);
  Lookup lookup{at::empty({components, entries}, at::kUInt16), ends[0], ends[1], at::zeros({components}, at::kDouble)};
  const Tensor width = (ends[1] - ends[0]).clamp_min(std::numeric_limits<float>::min());
  const int64_t rows = std::max<int64_t>(1, kNumbersAtOnce / components);
  for (int64_t first = 0; first < entries; first += rows) {
    shape[0] = std::min(rows, entries - first);
    const Tensor index = at::arange(first, first + shape[0], at::kDouble).unsqueeze(1);  // [rows,1]
    const Tensor z = quantile((index + 0.5) / n, shape[0]);
    const Tensor code = ((z - ends[0]) / width * (n - 1)).round().clamp(0, n - 1);
    const Tensor value = (ends[0] + (ends[1] - ends[0]) * code / (n - 1)).to(like.options()).reshape(shape);
    const Tensor f = distribution.cdf(value).to(at::kCPU, at::kDouble).reshape({shape[0], components});
    const Tensor off = at::maximum((f - index / n).abs(), (f - (index + 1) / n).abs());
    lookup.codes.narrow(1, first, shape[0]).copy_(code.t());
    lookup.errors = at::maximum(lookup.errors, off.amax(0));
  }
  shape.assign(latent.begin(), latent.end());
  lookup.errors = lookup.errors.reshape(shape);
  shape.push_back(entries);
  lookup.codes = lookup.codes.reshape(shape);
  return lookup;
}

/// A row a component: q, of the univariate prior p, then its codes in the order of u.
void write_csv(const std::string& path, const Tensor& codes) {
  const bool pairs = codes.dim() == 3;
  const int64_t p_count = pairs ? codes.size(1) : 1, entries = codes.size(-1);
  io::AtomicFile file(path);
  std::string line = pairs ? "q,p" : "q";
  for (int64_t i = 0; i < entries; ++i) line.append(",").append(std::to_string(i));
  file.write(line + "\n");
  const auto* code = codes.const_data_ptr<uint16_t>();
  for (int64_t row = 0; row < codes.numel() / entries; ++row) {
    line = pairs ? str(row / p_count, ",", row % p_count) : std::to_string(row);
    for (int64_t i = 0; i < entries; ++i) line.append(",").append(std::to_string(*code++));
    file.write(line + "\n");
  }
  file.commit();
}

nlohmann::ordered_json description(const LoadedRun& run, const Options& options, const Lookup& lookup) {
  const auto [from, to] = run.model->prior->domain();
  const auto numbers = [](const Tensor& t) {
    return std::vector<double>(t.const_data_ptr<double>(), t.const_data_ptr<double>() + t.numel());
  };
  const bool pairs = lookup.codes.dim() == 3;
  return {{"run", run.folder},
          {"step", run.step},
          {"order", pairs ? nlohmann::ordered_json{"Q", "P"} : nlohmann::ordered_json{"Q"}},
          {"shape", lookup.codes.sizes().vec()},
          {"bits", options.bits},
          {"domain", {from, to}},
          {"entry", "floor(u * 2^bits)"},
          {"value", "low[c] + (high[c] - low[c]) * code / (2^bits - 1) of component c, counted in that order"},
          {"error", lookup.errors.max().item<double>()},
          {"mean_error", lookup.errors.mean().item<double>()},
          {"low", numbers(lookup.low)},
          {"high", numbers(lookup.high)}};
}

std::string needs_table(const LoadedRun& run) {
  const auto view = run.model->prior->view();
  if (view->distribution() == nullptr) return "a deep prior has no distribution functions of single coordinates";
  return view->distribution()->table() == nullptr ? "a Gaussian prior needs no table" : "";
}

std::string write_lookup(LoadedRun& run, const Options& options, const Rng&) {
  const auto prior = run.model->prior->view();
  const Lookup lookup = make_lookup(*prior->distribution(), run.model->prior->latent_shape(), options.bits);
  if (options.out.ends_with(".npy"))
    io::write_npy(options.out, lookup.codes);
  else
    write_csv(options.out, lookup.codes);
  io::write_file_atomic(options.out + ".json", description(run, options, lookup).dump(1) + "\n");
  const int64_t entries = lookup.codes.size(-1);
  const double error = lookup.errors.max().item<double>();
  const int64_t above = (lookup.errors >= kWanted).sum().item<int64_t>();
  std::ostringstream text;
  text << grouped(lookup.errors.numel()) << " components, " << grouped(entries) << " entries of " << options.bits
       << " bits each; largest |F(value) - u| " << error << ", mean over the components "
       << lookup.errors.mean().item<double>() << "\n"
       << options.out << ".json: ranges, bits, order, error\n";
  if (above > 0)
    text << "note: the error of " << grouped(above) << " components is not below " << kWanted
         << "; each bit more halves it\n";
  return text.str();
}

}  // namespace

Format lookup_format() {
  return {"lut",
          "the prior's inverse distribution functions as look-up tables, CSV or .npy by the ending (--bits)",
          {".csv", ".npy"},
          "lut",
          {"bits"},
          needs_table,
          write_lookup};
}

}  // namespace kaem::exports
