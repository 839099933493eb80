#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

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

/// F⁻¹ of every component at 2^bits uniforms, each a code of as many bits.
struct Lookup {
  Tensor codes;   ///< uint16 [latent..., 2^bits]
  Tensor knots;   ///< float64 [C, segments+1], ascending
  Tensor errors;  ///< float64 [latent...]: the largest |F(value) - u| of each component
};

/// Of a code the first bits say the segment, at most 16.
int64_t segment_bits_of(int64_t bits) { return std::min<int64_t>(4, bits / 3); }

/// Codes and values of all components, [C,·] each. A component's values lie between knots, in equal steps from each
/// knot to the next, a segment each.
class Quantiser {
 public:
  Quantiser(Tensor knots, int64_t bits)
      : knots_(std::move(knots)),
        levels_(int64_t{1} << (bits - segment_bits_of(bits))),
        most_((int64_t{1} << bits) - 1) {}

  /// The code of the nearest value.
  Tensor encode(const Tensor& z) const {
    const Tensor segment = at::searchsorted(knots_, z.contiguous(), false, /*right=*/true).sub(1).clamp(0, last());
    const auto [from, to] = ends(segment);
    const Tensor width = (to - from).clamp_min(std::numeric_limits<float>::min());
    const Tensor step = ((z - from) / width * static_cast<double>(levels_)).round().clamp(0, levels_);
    return (segment * levels_ + step.to(at::kLong)).clamp(0, most_);  // the last step is the next segment's first
  }

  Tensor decode(const Tensor& code) const {
    const Tensor segment = code.div(levels_, "floor").clamp_max(last());
    const auto [from, to] = ends(segment);
    return from + (to - from) * (code - segment * levels_).to(at::kDouble) / static_cast<double>(levels_);
  }

 private:
  int64_t last() const { return knots_.size(1) - 2; }
  std::pair<Tensor, Tensor> ends(const Tensor& segment) const {
    return {knots_.gather(1, segment), knots_.gather(1, segment + 1)};
  }

  Tensor knots_;
  int64_t levels_, most_;
};

/// Ends of `segments` runs of cells whose largest product of peak and width is smallest, to a part in 10⁶: an error of
/// F is half a step of the values times the density, and a step is a segment's width by its levels. `density` [cells]
/// and one width for all of them.
std::vector<int64_t> level_segments(const double* density, int64_t cells, double width, int64_t segments) {
  std::vector<int64_t> ends;
  const auto fits = [&](double most) {
    ends.assign(1, 0);
    double peak = 0;
    for (int64_t i = 0; i < cells; ++i) {
      peak = std::max(peak, density[i]);
      if (i == ends.back() || peak * width * static_cast<double>(i + 1 - ends.back()) <= most) continue;
      ends.push_back(i), peak = density[i];
    }
    return static_cast<int64_t>(ends.size()) <= segments;
  };
  double low = 0, high = width * static_cast<double>(cells) * *std::max_element(density, density + cells);
  for (const double exact = 1e-6 * high; high - low > exact;) {
    const double middle = 0.5 * (low + high);
    (fits(middle) ? high : low) = middle;
  }
  fits(high);
  ends.resize(static_cast<size_t>(segments) + 1, cells);
  return ends;
}

/// Entry i stands for u in [i, i+1)/n and holds F⁻¹ of the middle, to the nearest of n values. F of the entry is one
/// number there, so that it differs most from u at one of the two ends.
Lookup make_lookup(const CoordinateDistribution& distribution, const std::vector<int64_t>& latent, int64_t bits) {
  constexpr int64_t kCells = 2048;
  const int64_t entries = int64_t{1} << bits;
  const auto n = static_cast<double>(entries);
  int64_t components = 1;
  for (const int64_t size : latent) components *= size;
  const Tensor& like = distribution.table()->cdf;
  // Values of all components at a time, [points,C] -> [points,C], float64 on the CPU.
  const auto by_rows = [&](const auto& function, const Tensor& values) {
    std::vector<int64_t> shape = latent;
    shape.insert(shape.begin(), 0);
    std::vector<Tensor> parts;
    const int64_t rows = std::max<int64_t>(1, kNumbersAtOnce / components);
    for (int64_t first = 0; first < values.size(0); first += rows) {
      const Tensor part = values.slice(0, first, first + rows);
      shape[0] = part.size(0);
      parts.push_back(function(part.to(like.options()).reshape(shape)).to(at::kCPU, at::kDouble).flatten(1));
    }
    return at::cat(parts);
  };
  const auto quantile = [&](const Tensor& u) {  // [points]
    return by_rows([&](const Tensor& x) { return distribution.icdf(x); }, u.unsqueeze(1).expand({-1, components}));
  };
  const auto f = [&](const Tensor& z) { return by_rows([&](const Tensor& x) { return distribution.cdf(x); }, z); };
  const Tensor ends = quantile(at::tensor({0.5 / n, 1 - 0.5 / n}, at::kDouble));
  const Tensor share = at::arange(kCells + 1, at::kDouble).unsqueeze(1) / kCells;
  const Tensor cell = ((ends[1] - ends[0]) / kCells).clamp_min(std::numeric_limits<float>::min());
  const Tensor density = (f(ends[0] + (ends[1] - ends[0]) * share).diff(1, 0) / cell).t().contiguous();  // [C,cells]
  const int64_t segments = int64_t{1} << segment_bits_of(bits);
  Lookup lookup{at::empty({components, entries}, at::kUInt16), at::empty({components, segments + 1}, at::kDouble), {}};
  for (int64_t c = 0; c < components; ++c) {
    const double width = cell[c].item<double>(), low = ends[0][c].item<double>();
    const auto at = level_segments(density[c].const_data_ptr<double>(), kCells, width, segments);
    auto* knots = lookup.knots[c].mutable_data_ptr<double>();
    for (size_t k = 0; k < at.size(); ++k) knots[k] = low + width * static_cast<double>(at[k]);
    // The last code, a step before the last knot, is for the last entry.
    const int64_t steps = entries / segments;
    const auto levels = static_cast<double>(steps);
    knots[segments] = knots[segments - 1] + (knots[segments] - knots[segments - 1]) * levels / (levels - 1);
  }
  const Quantiser quantiser(lookup.knots, bits);
  const Tensor index = at::arange(entries, at::kDouble).unsqueeze(1);  // [n,1]
  const Tensor codes = quantiser.encode(quantile((index.squeeze(1) + 0.5) / n).t());
  const Tensor at_value = f(quantiser.decode(codes).t());  // [n,C]
  lookup.errors = at::maximum((at_value - index / n).abs(), (at_value - (index + 1) / n).abs()).amax(0).reshape(latent);
  std::vector<int64_t> shape = latent;
  shape.push_back(entries);
  lookup.codes.copy_(codes);
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
  std::vector<std::vector<double>> knots;
  for (int64_t c = 0; c < lookup.knots.size(0); ++c) {
    const auto* row = lookup.knots[c].const_data_ptr<double>();
    knots.emplace_back(row, row + lookup.knots.size(1));
  }
  const bool pairs = lookup.codes.dim() == 3;
  return {
      {"run", run.folder},
      {"step", run.step},
      {"order", pairs ? nlohmann::ordered_json{"Q", "P"} : nlohmann::ordered_json{"Q"}},
      {"shape", lookup.codes.sizes().vec()},
      {"bits", options.bits},
      {"domain", {from, to}},
      {"entry", "floor(u * 2^bits)"},
      {"segment_bits", segment_bits_of(options.bits)},
      {"value",
       "knots[c][s] + (knots[c][s+1] - knots[c][s]) * t, of component c, counted in that order: s = code >> (bits - "
       "segment_bits), t = (code mod 2^(bits - segment_bits)) / 2^(bits - segment_bits)"},
      {"error", lookup.errors.max().item<double>()},
      {"mean_error", lookup.errors.mean().item<double>()},
      {"knots", knots}};
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
       << options.out << ".json: knots, bits, order, error\n";
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
