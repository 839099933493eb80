// [MIXED_PRECISION]: whether reduced precision pays here, measured with the generator that is to be trained.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "device.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/generator/generator.h"

namespace kaem {
namespace {

constexpr int64_t kRows = 100, kRounds = 5;

/// A frozen generator, and what goes through it forward and back as in one step of a chain.
struct Trial {
  Trial(GeneratorOptions options, const std::string& precision, int64_t latent_width, const DataShape& shape,
        const at::Device& device) {
    options.precision.reduced = precision;
    const auto generator = make_generator(options, latent_width, shape, Rng(1));
    generator->to(device);
    generator->eval();
    frozen = generator->freeze();
    u = Rng(1).uniform(Stream::kInit, 0, {kRows, latent_width}).to(device);
    x = at::zeros({kRows, shape[0] * shape[1] * shape[2]}, u.options());
  }

  double milliseconds() {
    const c10::AutoGradMode no_grad(false);
    const auto start = std::chrono::steady_clock::now();
    const at::Tensor made = frozen->forward(u, x);
    frozen->pullback(made).sum().item<float>();  // waits for the device
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }

  std::unique_ptr<FrozenGenerator> frozen;
  at::Tensor u, x;
};

}  // namespace

std::string prepare_precision(const GeneratorOptions& options, int64_t latent_width, const DataShape& shape,
                              const std::string& device_name, bool resumed) {
  const at::Device device(device_name);
  const std::string& reduced = options.precision.reduced;
  if (reduced == "TF32" && !device.is_cuda())
    throw ConfigError(
        "[MIXED_PRECISION] reduced_precision = TF32: processors have no TF32, only GPUs; expected FP32 or BF16");
  if (device.is_cuda()) {
    at::globalContext().setFloat32MatmulPrecision(reduced == "TF32" ? "high" : "highest");
    at::globalContext().setAllowTF32CuDNN(reduced == "TF32" || reduced == "auto");
    if (reduced == "auto" && options.cnn.use)
      return "convolutions round their operands to TF32, PyTorch's default; [MIXED_PRECISION] reduced_precision = FP32 "
             "keeps all digits";
  }
  if (reduced != "BF16") return {};
  // In turn, so that a busy machine slows both alike; the first round fills caches.
  Trial full(options, "FP32", latent_width, shape, device), half(options, "BF16", latent_width, shape, device);
  double full_ms = std::numeric_limits<double>::infinity(), half_ms = full_ms;
  for (int64_t round = 0; round <= kRounds; ++round) {
    const double one = full.milliseconds(), other = half.milliseconds();
    if (round > 0) full_ms = std::min(full_ms, one), half_ms = std::min(half_ms, other);
  }
  const auto ms = [](double value) { return str(std::round(value * 100) / 100, " ms"); };
  const std::string times =
      str("the generator takes ", ms(half_ms), " for ", kRows, " latents forward and back, ", ms(full_ms), " in FP32");
  if (half_ms > full_ms && !options.precision.forced && !resumed)
    throw ConfigError(str("[MIXED_PRECISION] reduced_precision = BF16 is slower here: ", times,
                          "; expected FP32, or force_reduced = true"));
  return "reduced_precision = BF16: " + times;
}

}  // namespace kaem
