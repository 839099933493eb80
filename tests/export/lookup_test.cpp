// Look-up tables against distribution functions by quadrature.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "export/support.h"
#include "kaem/io/npy.h"
#include "support/random_model.h"

namespace kaem::test {
namespace {

using at::Tensor;

struct LookupFile {
  Tensor codes;  ///< int64 [Q,P,entries]
  nlohmann::json meta;
  std::string said;
};

/// Written as .npy or, by hand read, as CSV.
LookupFile lookup_of(LoadedRun& run, int64_t bits, const std::string& ending = ".npy") {
  const TemporaryFolder folder;
  exports::Options options;
  options.out = folder / ("lut" + ending), options.bits = bits;
  LookupFile file;
  file.said = exported(run, "lut", options);
  file.meta = nlohmann::json::parse(get(options.out + ".json"));
  if (ending == ".npy") {
    file.codes = io::read_npy(options.out).to(torch::kLong);
    return file;
  }
  std::istringstream text(get(options.out));
  std::string line, word;
  std::getline(text, line);
  EXPECT_EQ(line.substr(0, 8), "q,p,0,1,");
  std::vector<int64_t> numbers;
  for (int64_t row = 0; std::getline(text, line); ++row) {
    std::istringstream words(line);
    const int64_t p_count = file.meta["shape"][1];
    for (int64_t column = 0; std::getline(words, word, ','); ++column)
      if (column > 1)
        numbers.push_back(std::stoll(word));
      else
        EXPECT_EQ(std::stoll(word), column == 0 ? row / p_count : row % p_count);
  }
  file.codes = torch::tensor(numbers, torch::kLong).reshape(file.meta["shape"].get<std::vector<int64_t>>());
  return file;
}

/// F of one component at z [K], between the ends of quadrature's panels linearly.
Tensor distribution_at(const Truth& truth, int64_t q, int64_t p, const Tensor& z) {
  const Tensor f = truth.cdf.select(1, q).select(1, p).contiguous();
  const Tensor right = torch::searchsorted(truth.z, z.contiguous()).clamp(1, truth.z.size(0) - 1), left = right - 1;
  const Tensor width = (truth.z.take(right) - truth.z.take(left)).clamp_min(1e-300);
  const Tensor t = ((z - truth.z.take(left)) / width).clamp(0, 1);
  return f.take(left) + t * (f.take(right) - f.take(left));
}

Truth truth_of(const LoadedRun& run) { return quadrature(run.model->prior, run.config.model.prior.reference); }

/// The values of component c, of codes as JSON says.
Tensor values(const nlohmann::json& meta, int64_t c, const Tensor& codes) {
  const auto knots = torch::tensor(meta["knots"][c].get<std::vector<double>>(), torch::kDouble);
  const int64_t levels = int64_t{1} << (meta["bits"].get<int64_t>() - meta["segment_bits"].get<int64_t>());
  const Tensor segment = codes.div(levels, "floor"), t = codes.remainder(levels).to(torch::kDouble) / levels;
  return knots.take(segment) + (knots.take(segment + 1) - knots.take(segment)) * t;
}

/// Half a step of u and half a step of values that lie evenly between the ends, where the density is greatest: segments
/// that are chosen well can only be better.
double most_error(const LookupFile& file, const Truth& truth, int64_t bits) {
  const double n = std::pow(2.0, bits);
  const Tensor width = truth.z.diff(), wide = (width > 1e-6).nonzero().squeeze(1);
  const Tensor density = truth.cdf.diff(1, 0).index_select(0, wide) / width.index_select(0, wide).reshape({-1, 1, 1});
  const Tensor peak = density.amax(0).flatten();
  double worst = 0;
  for (int64_t c = 0; c < peak.numel(); ++c) {
    const auto knots = file.meta["knots"][c].get<std::vector<double>>();
    worst = std::max(worst, peak[c].item<double>() * (knots.back() - knots.front()));
  }
  return (1 + worst) / (2 * (n - 1));
}

/// max |F(value(u)) - u| over 16 u of each entry, of all components.
double measured_error(const LookupFile& file, const Truth& truth, int64_t bits) {
  const int64_t entries = int64_t{1} << bits, points = 16 * entries;
  const Tensor u = (torch::arange(points, torch::kDouble) + 0.5) / static_cast<double>(points);
  const Tensor entry = (u * static_cast<double>(entries)).floor().to(torch::kLong);
  double worst = 0;
  for (int64_t q = 0; q < file.codes.size(0); ++q)
    for (int64_t p = 0; p < file.codes.size(1); ++p) {
      const Tensor value = values(file.meta, q * file.codes.size(1) + p, file.codes[q][p]).take(entry);
      worst = std::max(worst, (distribution_at(truth, q, p, value) - u).abs().max().item<double>());
    }
  return worst;
}

LoadedRun run_of(const std::string& reference, double size) {
  ModelOptions options = small_options();
  options.prior.reference = reference;
  LoadedRun run = random_run(options, {1, 2, 2});
  PriorCase c;
  c.reference = reference, c.size = size, c.dtype = torch::kFloat;
  run.model->prior = random_prior(c, 21);
  return run;
}

TEST(Lookup, KeepsItsErrorAndSaysIt) {
  const torch::NoGradGuard no_grad;
  for (const char* reference : {"ebm", "uniform", "gaussian", "lognormal"}) {
    LoadedRun run = run_of(reference, 1.5);
    const Truth truth = truth_of(run);
    for (const int64_t bits : {8, 12}) {
      const LookupFile file = lookup_of(run, bits);
      const double error = measured_error(file, truth, bits), said = file.meta["error"];
      const double step = 1.0 / static_cast<double>(int64_t{16} << bits);
      EXPECT_NEAR(said, error, step + 2e-5) << reference << " " << bits;
      EXPECT_LT(error, most_error(file, truth, bits) + 2e-5) << reference << " " << bits;
      if (bits == 12) {
        EXPECT_LT(error, 1e-3) << reference;
        EXPECT_LT(said, 1e-3) << reference;
        EXPECT_EQ(file.said.find("note:"), std::string::npos) << file.said;
      }
      EXPECT_EQ(file.meta["bits"], bits);
      EXPECT_EQ(file.meta["order"], nlohmann::json({"Q", "P"}));
      EXPECT_EQ(file.codes.sizes(), at::IntArrayRef({3, 2, int64_t{1} << bits}));
      EXPECT_GE(file.codes.diff().min().item<int64_t>(), 0) << "an inverse distribution function does not fall";
    }
  }
}

/// Where a density is so high that a step of the values passes over 1e-3 of it, that is said.
TEST(Lookup, SaysWhereItsBitsAreTooFew) {
  const torch::NoGradGuard no_grad;
  LoadedRun run = run_of("ebm", 10);
  const LookupFile file = lookup_of(run, 10);
  const double error = measured_error(file, truth_of(run), 10);
  EXPECT_GT(error, 1e-3);
  EXPECT_NEAR(file.meta["error"], error, 1e-4 + 0.02 * error);
  EXPECT_NE(file.said.find("note: the error of"), std::string::npos) << file.said;
}

/// Narrow modes with wide tails and gaps between them: steps are fine where the density is high.
TEST(Lookup, KeepsItsErrorOfNarrowModes) {
  const torch::NoGradGuard no_grad;
  for (const double size : {10.0, 20.0}) {
    LoadedRun run = run_of("gaussian", size);
    const Truth truth = truth_of(run);
    const LookupFile file = lookup_of(run, 12);
    ASSERT_GT(most_error(file, truth, 12), 1e-3);  // what even steps would cost
    EXPECT_TRUE((file.codes.select(2, 4095) == 4095).all().item<bool>()) << "the last entry has the last code";
    EXPECT_LT(measured_error(file, truth, 12), 7e-4) << size;
  }
}

TEST(Lookup, CsvHoldsTheSameNumbers) {
  const torch::NoGradGuard no_grad;
  LoadedRun run = run_of("gaussian", 1);
  EXPECT_TRUE(torch::equal(lookup_of(run, 5, ".csv").codes, lookup_of(run, 5).codes));
}

TEST(Lookup, OfAMixtureIsThatOfItsCoordinates) {
  const torch::NoGradGuard no_grad;
  ModelOptions options = small_options();
  options.prior.mixture.enabled = true;
  LoadedRun run = random_run(options, {1, 2, 2});
  const LookupFile file = lookup_of(run, 12);
  EXPECT_EQ(file.meta["order"], nlohmann::json({"Q"}));
  const double low = file.meta["domain"][0], high = file.meta["domain"][1];
  // The density's integral up to the entry's value, by the trapezoid rule on 20,001 points.
  const Tensor line = torch::linspace(low, high, 20001, torch::kDouble);
  const auto prior = run.model->prior->view();
  for (int64_t q = 0; q < 3; ++q) {
    Tensor all = torch::zeros({20001, 3});
    all.select(1, q).copy_(line);
    const Tensor density = prior->log_prob(all).to(torch::kDouble).exp();
    Tensor f = torch::cat({torch::zeros({1}, torch::kDouble), torch::cumulative_trapezoid(density, line)});
    f = f / f[-1];
    const Tensor at_value =
        f.take(((values(file.meta, q, file.codes[q]) - low) / (high - low) * 20000).round().to(torch::kLong));
    const Tensor u = (torch::arange(4096, torch::kDouble) + 0.5) / 4096;
    EXPECT_LT((at_value - u).abs().max().item<double>(), 1e-3);
  }
}

}  // namespace
}  // namespace kaem::test
