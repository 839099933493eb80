#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <bit>

#include "baseline/parts.h"
#include "baseline/rows.h"
#include "baseline/training.h"
#include "baseline/unet.h"
#include "kaem/core/error.h"
#include "kaem/core/str.h"
#include "kaem/model/model.h"

namespace kaem::baseline {
namespace {

using at::Tensor;

/// ᾱ_t = Π_{s≤t} (1 - β_s), β linear from β_1 to β_T: float64 [T+1], ᾱ_0 = 1.
Tensor kept_signal(const DdpmOptions& o) {
  const Tensor beta = at::linspace(o.beta_start, o.beta_end, o.timesteps, at::kDouble);
  return at::cat({at::ones({1}, at::kDouble), (1 - beta).cumprod(0)});
}

/// 64 bits of the first numbers of a row of noise, so that what a chain draws is a function of where it begins.
uint64_t key_of(const Tensor& row) {
  const int64_t seen = std::min<int64_t>(row.numel(), 16);
  uint64_t key = 0xcbf29ce484222325u;  // FNV-1a
  for (int64_t i = 0; i < seen; ++i)
    key = (key ^ std::bit_cast<uint32_t>(row.const_data_ptr<float>()[i])) * 0x100000001b3u;
  return key;
}

/// The reverse process: noise x_T [n,D] -> x_0 in [-1,1].
struct Denoiser : Generator {
  Denoiser(const DdpmOptions& ddpm, const DataShape& image_shape, const Rng& rng)
      : options(ddpm), shape(image_shape), signal(kept_signal(ddpm)) {
    net = register_module("unet", make_unet(ddpm, shape[0], rng));
  }

  /// Algorithm 2 of Ho et al. (2020) on every `sampling_stride`-th level, T first, with α of the levels that are
  /// visited (Nichol and Dhariwal 2021, section 4); the variance is β. Row i's noise depends on row i of u alone.
  Tensor forward(const Tensor& u) override {
    const c10::AutoGradMode no_grad(false);
    const Tensor starts = u.cpu().to(at::kFloat).contiguous();
    std::vector<Rng> rngs;
    for (int64_t i = 0; i < u.size(0); ++i) rngs.emplace_back(key_of(starts[i]));
    const double* kept = signal.const_data_ptr<double>();
    Tensor x = u;
    for (int64_t t = options.timesteps; t > 0;) {
      const int64_t next = std::max<int64_t>(0, t - options.sampling_stride);
      const double alpha = kept[t] / kept[next], beta = 1 - alpha;
      const Tensor noise = predicted(x, at::full({x.size(0)}, static_cast<double>(t), x.options()));
      x = (x - noise * (beta / std::sqrt(1 - kept[t]))) / std::sqrt(alpha);
      if (next > 0) x = x + std::sqrt(beta) * draws(rngs, t, x);
      t = next;
    }
    return x.clamp(-1, 1);
  }

  /// x [n,D], level [n] -> [n,D].
  Tensor predicted(const Tensor& x, const Tensor& level) {
    return net->forward(x.reshape({-1, shape[0], shape[1], shape[2]}), level).flatten(1);
  }

  ops::Recordable recordable() const override { return ops::Recordable::kNothing; }
  std::unique_ptr<FrozenGenerator> freeze() override { throw Error("a DDPM has no density that chains could follow"); }

  const DdpmOptions options;
  const DataShape shape;
  const Tensor signal;
  std::shared_ptr<UNet> net;

 private:
  static Tensor draws(const std::vector<Rng>& rngs, int64_t t, const Tensor& like) {
    std::vector<Tensor> rows;
    rows.reserve(rngs.size());
    for (const Rng& rng : rngs) rows.push_back(rng.normal(Stream::kNoise, t, {like.size(1)}, like.options()));
    return at::stack(rows);
  }
};

/// E ‖ε - ε_θ(√ᾱ_t x_0 + √(1-ᾱ_t) ε, t)‖² per pixel, t uniform: L_simple of Ho et al. (2020), equation 14.
struct Denoising : Objective {
  Terms evaluate(const ModelView& view, const Tensor& x, const Particles&, int64_t step, const Rng& rng) override {
    auto& model = dynamic_cast<Denoiser&>(*view.model.generator);
    const int64_t size = x.size(0), levels = model.options.timesteps;
    const Tensor u = rng.row_uniform(Stream::kPosterior, step, {size}, 0);
    const Tensor level = (u * static_cast<double>(levels)).floor().to(at::kLong).clamp_max(levels - 1) + 1;
    const Tensor kept = model.signal.index_select(0, level).to(x.options()).unsqueeze(1);
    const Tensor noise = rng.row_normal(Stream::kNoise, step, x.sizes(), 0, x.options());
    const Tensor noisy = kept.sqrt() * (2 * x - 1) + (1 - kept).sqrt() * noise;
    const Tensor error = (model.predicted(noisy, level.to(x.options())) - noise).square().mean(1);
    Terms terms;
    terms.total = error.mean();
    terms.named = {{"noise_error", terms.total.detach()}};
    return terms;
  }

  ops::Recordable recordable() const override { return ops::Recordable::kNothing; }
};

void settle_ddpm(BaselineOptions& all, BaselineSettings& settings) {
  const DdpmOptions& ddpm = all.ddpm;
  if (ddpm.kernel_size % 2 == 0)
    throw ConfigError(str("[DDPM] kernel_size = ", ddpm.kernel_size, ": expected an odd number"));
  if (ddpm.time_dim % 2 == 1) throw ConfigError(str("[DDPM] time_dim = ", ddpm.time_dim, ": expected an even number"));
  if (ddpm.channels.empty()) throw ConfigError("[DDPM] channels: expected at least one number");
  if (!(ddpm.beta_start <= ddpm.beta_end && ddpm.beta_end < 1))
    throw ConfigError(str("[DDPM] beta_end = ", ddpm.beta_end, ": expected a number from beta_start to below 1"));
  if (ddpm.sampling_stride > ddpm.timesteps)
    throw ConfigError(
        str("[DDPM] sampling_stride = ", ddpm.sampling_stride, ": expected at most num_timesteps = ", ddpm.timesteps));
  settings.model.generator.noise = 0;
  settings.learning_rate = ddpm.learning_rate;
}

std::shared_ptr<ModelImpl> make_ddpm(const BaselineOptions& all, const ModelOptions& shared, const DataShape& shape,
                                     const Rng& rng) {
  return std::make_shared<ModelImpl>(shared, shape, make_gaussian_prior(shape[0] * shape[1] * shape[2]),
                                     std::make_shared<Denoiser>(all.ddpm, shape, rng),
                                     make_implicit_likelihood(/*tanh=*/false));
}

}  // namespace

BaselineRow ddpm_row() {
  return {
      .mode = "baseline-ddpm",
      .section = "DDPM",
      .shares = {},
      .settle = settle_ddpm,
      .model = make_ddpm,
      .posterior = make_no_posterior,
      .objective = [](const BaselineOptions&) -> std::unique_ptr<Objective> { return std::make_unique<Denoising>(); },
      .density = false,
      .one_pass = false};
}

}  // namespace kaem::baseline
